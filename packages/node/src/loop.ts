import type { Clock, Log } from '@postern/runtime';
import { backoff } from './backoff.ts';

export interface Loop {
  /** Aborts the turn at hand's waiting, lets it end, and resolves. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** What is logged when a turn throws: a constant. */
  readonly trouble: string;
}

/**
 * Repeats `turn` until stopped. A turn that throws is logged by its error's code and repeated after a growing pause; the
 * message is not logged, since it may come from afar.
 */
export function startLoop(
  { clock, log, trouble }: LoopOptions,
  turn: (stop: AbortSignal) => Promise<void>,
): Loop {
  const stop = new AbortController();
  const { signal } = stop;
  const run = async (): Promise<void> => {
    for (let failures = 0; !signal.aborted; ) {
      try {
        await turn(signal);
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        log.error(trouble, { code: codeOf(error) });
        await clock.wait(clock.now() + backoff(failures++, loopPause), signal).catch(() => undefined);
      }
    }
  };
  const ended = run();
  return {
    stop() {
      stop.abort();
      return ended;
    },
  };
}

const loopPause = { firstMs: 250, mostMs: 30_000 };

/** Waits for the first of several events and calls off the others. Rejects as `signal` aborts. */
export async function firstOf(
  signal: AbortSignal,
  ...waits: ((signal: AbortSignal) => Promise<unknown>)[]
): Promise<void> {
  const rest = new AbortController();
  const joint = AbortSignal.any([signal, rest.signal]);
  try {
    await Promise.race(
      waits.map(async (wait) => {
        try {
          await wait(joint);
        } catch (error) {
          if (!rest.signal.aborted) throw error;
        }
      }),
    );
  } finally {
    rest.abort();
  }
}

/** An error's `code`, or its class. */
export function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.name;
}
