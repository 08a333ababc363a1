import type { Clock, Log, Random } from '@postern/runtime';
import type { Counters } from '../counters.ts';
import type { Lifetime } from '../lifetime.ts';
import { createPool } from '../pool.ts';
import type { Input, Settled, Spool, Verdict, Waiting } from '../spool.ts';
import type { Link } from '../stage.ts';
import type { PeelSetup, PeelTask, Unlayered } from './worker.ts';

export interface PeelContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly spool: Spool;
  readonly counters: Counters;
  readonly lifetime: Lifetime;
  readonly peelWorkers: number;
  /** Whether another process takes the relays, off the shelf; else the next stage gets them claimed. */
  readonly shelves?: boolean;
  /** Called for each packet that is opened for the first time. */
  readonly onOpened?: () => void;
  /** How long a relay is kept that cannot be handed over. */
  readonly expiryMs: number;
  /** The keys of now, and whoever wants to hear of other ones. */
  readonly keys: { current(): PeelSetup; onChange(listener: (setup: PeelSetup) => Promise<void>): void };
}

/**
 * Takes one layer off each packet, in worker threads, and settles it: replay tag and relay are stored and the input is gone in one
 * transaction. `take` resolves once all of them are settled; rejects when some are not, which can then be taken again.
 */
export function peel(context: PeelContext): Link<readonly Input[], readonly Waiting[]> {
  const { clock, random, log, spool, counters, lifetime, keys, peelWorkers } = context;
  return (next) => {
    const pool = createPool<PeelSetup, PeelTask, Unlayered[]>({
      module: new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url),
      size: peelWorkers,
      setup: keys.current(),
      clock,
      random,
      log,
      onBroken: lifetime.breakDown,
    });
    const underWay = new Set<Promise<unknown>>();
    keys.onChange(async (setup) => {
      pool.setUp(setup);
      await Promise.allSettled(underWay);
    });

    const settle = async (input: Input, opened: Unlayered | undefined): Promise<Waiting[]> => {
      if (opened === undefined) return [];
      const unlayered = inTime(opened, clock.now());
      const verdict = verdictOn(unlayered, context);
      const settled = await spool.settle(input.id, verdict);
      count(counters, unlayered, settled);
      if (settled.kind === 'waiting' || settled.kind === 'shelved') context.onOpened?.();
      if (settled.kind !== 'waiting' || verdict.kind !== 'relay') return [];
      return [{ ...settled.waiting, bytes: verdict.relay.bytes }];
    };

    const open = async (inputs: readonly Input[]): Promise<PromiseSettledResult<Waiting[]>[]> => {
      const packets = inputs.map(({ bytes }) => bytes);
      const unlayered = await pool.run(packets, packets);
      return Promise.allSettled(inputs.map((input, at) => settle(input, unlayered[at])));
    };

    return {
      async take(inputs) {
        const opening = open(inputs);
        underWay.add(opening);
        const settled = await opening.finally(() => underWay.delete(opening));
        await next.take(settled.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])));
        const failed = settled.find((one) => one.status === 'rejected');
        if (failed !== undefined) throw failed.reason;
      },
      close: () => pool.close(),
    };
  };
}

/** A process that stood still has keys whose packets' replay tags others have forgotten since. */
function inTime(unlayered: Unlayered, now: number): Unlayered {
  if (unlayered.kind === 'refused' || now < unlayered.taggedUntilMs) return unlayered;
  return { kind: 'refused', reason: 'wrong-epoch' };
}

function verdictOn(unlayered: Unlayered, { clock, expiryMs, shelves = false }: PeelContext): Verdict {
  if (unlayered.kind === 'refused') return { kind: 'refused' };
  const { epoch, replayTag, delayMs, opensUntilMs } = unlayered;
  const now = clock.now();
  const common = { kind: 'relay', epoch, replayTag, shelved: shelves } as const;
  const times = { dueMs: now + delayMs, expiresMs: now + expiryMs };
  if (unlayered.kind === 'exit') {
    const next = { kind: 'domain', domain: unlayered.domain } as const;
    return { ...common, relay: { ...times, next, bytes: unlayered.unit } };
  }
  // Past that time the next hop's key is gone: what cannot be opened need not be carried.
  const expiresMs = Math.min(times.expiresMs, opensUntilMs);
  const next = { kind: 'node', id: Buffer.from(unlayered.nextNode).toString('hex') } as const;
  return { ...common, relay: { ...times, expiresMs, next, bytes: unlayered.packet } };
}

function count(counters: Counters, unlayered: Unlayered, settled: Settled): void {
  if (settled.kind === 'gone') return;
  if (settled.kind === 'replayed') counters.count('peeled', 'replayed');
  else counters.count('peeled', unlayered.kind === 'refused' ? unlayered.reason : unlayered.kind);
}
