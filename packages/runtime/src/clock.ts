import { setTimeout as delay } from 'node:timers/promises';

/** Time as a process sees it; passed in, so that tests and simulations can own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Resolves once `now()` has reached `untilMs`; rejects with an `AbortError` when `signal` aborts first. */
  wait(untilMs: number, signal?: AbortSignal): Promise<void>;
}

/** `setTimeout` overflows past 2³¹−1 ms and then fires at once. */
const longestTimer = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  async wait(untilMs, signal) {
    signal?.throwIfAborted();
    for (let left = untilMs - Date.now(); left > 0; left = untilMs - Date.now()) {
      await delay(Math.min(left, longestTimer), undefined, signal === undefined ? {} : { signal });
    }
  },
};
