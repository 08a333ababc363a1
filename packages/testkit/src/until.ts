import { setTimeout as pause } from 'node:timers/promises';
import { TestkitError } from './errors.ts';

export interface UntilOptions {
  /** What is waited for, in the error when it does not come. */
  readonly what: string;
  /** Real milliseconds. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Waits for a condition: looks, and looks again soon, until it gives something else than `undefined` or `false`. Throws `not-ready` when
 * it has not by the deadline, and whatever the condition throws.
 */
export async function until<T>(
  condition: () => Promise<T | undefined | false> | T | undefined | false,
  { what, deadlineMs = 60_000, signal }: UntilOptions,
): Promise<T> {
  const deadline = performance.now() + deadlineMs;
  for (let pauseMs = 2; ; pauseMs = Math.min(50, pauseMs * 1.5)) {
    signal?.throwIfAborted();
    const value = await condition();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > deadline)
      throw new TestkitError('not-ready', `${what}: not within ${deadlineMs / 1_000} s`);
    await pause(pauseMs, undefined, signal === undefined ? {} : { signal });
  }
}
