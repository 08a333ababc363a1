import type { Clock, Log, LogFields, Random } from '@postern/runtime';
import { backoff, jitteredBackoff } from './backoff.ts';

export interface Loop {
  /** Aborts the turn at hand's waiting, lets it end, and resolves. */
  stop(): Promise<void>;
}

export interface LoopOptions {
  readonly clock: Clock;
  readonly log: Log;
  /** What is logged when a turn throws: a constant. */
  readonly trouble: string;
  /** What stands beside it of an error, in words of this program; nothing when all has been said. Its code alone unless given. */
  readonly fieldsOf?: (error: unknown) => LogFields | undefined;
  /** Draws the pauses, where several may fail together. */
  readonly random?: Random;
}

/** Failures in a row of work that is tried again and again: each is logged, unless that was done, and makes the next pause longer. */
export interface Setback {
  /**
   * An error's message is not logged, only its code: it may come from afar. Several failures before the next pause are
   * one.
   */
  failed(error: unknown): void;
  worked(): void;
  /** Waits, when there was a failure since the last pause. Rejects as `stop` aborts. */
  pause(stop: AbortSignal): Promise<void>;
}

export function createSetback({ clock, log, trouble, fieldsOf = codeAlone, random }: LoopOptions): Setback {
  let failures = 0;
  let error: unknown;
  return {
    failed(cause) {
      error ??= cause;
    },
    worked() {
      if (error === undefined) failures = 0;
    },
    async pause(stop) {
      if (error === undefined) return;
      const fields = fieldsOf(error);
      if (fields !== undefined) log.error(trouble, fields);
      error = undefined;
      const pauseMs =
        random === undefined ? backoff(failures, loopPause) : jitteredBackoff(failures, loopPause, random);
      failures += 1;
      await clock.wait(clock.now() + pauseMs, stop);
    },
  };
}

function codeAlone(error: unknown): LogFields {
  return { code: codeOf(error) };
}

/** Repeats `turn` until stopped; after one that throws it pauses. */
export function startLoop(options: LoopOptions, turn: (stop: AbortSignal) => Promise<void>): Loop {
  const stop = new AbortController();
  const { signal } = stop;
  const setback = createSetback(options);
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      try {
        await turn(signal);
        setback.worked();
      } catch (error) {
        if (signal.aborted) return;
        setback.failed(error);
        await setback.pause(signal).catch(() => undefined);
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

/** Several as one. */
export function together(...loops: readonly Loop[]): Loop {
  return {
    async stop() {
      await Promise.all(loops.map((loop) => loop.stop()));
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
