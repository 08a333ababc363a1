/** Time as a process sees it; passed in, so that tests and simulations can own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Resolves once `now()` has reached `untilMs`; rejects with the reason of `signal`, an `AbortError` unless another was given, when that aborts first. */
  wait(untilMs: number, signal?: AbortSignal): Promise<void>;
}

/** `setTimeout` overflows past 2³¹−1 ms and then fires at once. */
const longestTimer = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  async wait(untilMs, signal) {
    signal?.throwIfAborted();
    for (let left = untilMs - Date.now(); left > 0; left = untilMs - Date.now()) {
      signal?.throwIfAborted();
      await pause(Math.min(left, longestTimer), signal);
    }
  },
};

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const abort = (): void => {
    clearTimeout(timer);
    reject(signal?.reason);
  };
  const timer = setTimeout(() => {
    signal?.removeEventListener('abort', abort);
    resolve();
  }, ms);
  signal?.addEventListener('abort', abort, { once: true });
  return promise;
}
