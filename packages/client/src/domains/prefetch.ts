import { shuffled, uniform } from '@postern/protocol/primitives';
import type { Clock, Random } from '@postern/runtime';
import type { DomainCheck, Domains } from './domains.ts';

export interface PrefetchOptions {
  readonly clock: Clock;
  readonly random: Random;
  /** Over how long the questions are spread, milliseconds. */
  readonly withinMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Called for each as it comes. */
  onChecked?(check: DomainCheck): void;
  /** Called before each is waited for. */
  onWait?(progress: PrefetchProgress): void;
}

/** How far it has come; when the next domain and the last one are asked for, in the clock's milliseconds. */
export interface PrefetchProgress {
  readonly done: number;
  readonly of: number;
  readonly nextMs: number;
  readonly lastMs: number;
}

export interface Prefetched {
  readonly checks: readonly DomainCheck[];
  /** Those that there was no more time for. */
  readonly left: readonly string[];
}

// spec dns 6.2
/**
 * Asks for each domain once, in random order and each at a time of its own, so that what a resolver sees says nothing of when somebody is
 * written to. Ends early at the signal.
 */
export async function prefetch(
  names: readonly string[],
  domains: Pick<Domains, 'check'>,
  { clock, random, withinMs, signal, onChecked, onWait }: PrefetchOptions,
): Promise<Prefetched> {
  const start = clock.now();
  const times = names.map(() => start + uniform(random) * withinMs).sort((one, other) => one - other);
  const order = shuffled(names, random);
  const checks: DomainCheck[] = [];
  for (const [at, name] of order.entries()) {
    const nextMs = times[at] ?? start;
    onWait?.({ done: at, of: names.length, nextMs, lastMs: times.at(-1) ?? start });
    try {
      await clock.wait(nextMs, signal);
      const check = await domains.check(name, signal);
      checks.push(check);
      onChecked?.(check);
    } catch (error) {
      if (signal?.aborted !== true) throw error;
      return { checks, left: order.slice(at) };
    }
  }
  return { checks, left: [] };
}
