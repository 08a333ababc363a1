/** Time as a process sees it; passed in, so that tests and simulations can own it. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /**
   * Resolves once `now()` has reached `untilMs`, or as much time has passed as there was until then when the wait began: one whose clock is
   * set back meanwhile waits no longer for it, and one who needs the time looks at it again. Rejects with the reason of `signal`, an
   * `AbortError` unless another was given, when that aborts first.
   */
  wait(untilMs: number, signal?: AbortSignal): Promise<void>;
}

/** How soon a wait ends once the clock is put ahead: a timer does not notice. */
const lookAgainMs = 60_000;

export const systemClock: Clock = {
  now: () => Date.now(),
  async wait(untilMs, signal) {
    signal?.throwIfAborted();
    const endsAt = performance.now() + untilMs - Date.now();
    const left = (): number => Math.min(endsAt - performance.now(), untilMs - Date.now());
    for (let ms = left(); ms > 0; ms = left()) {
      signal?.throwIfAborted();
      await pause(Math.min(Math.ceil(ms), lookAgainMs), signal);
    }
  },
};

/**
 * Resolves once so much time has passed, but for a minute at most, whatever the clock is set to meanwhile. Rejects as `Clock.wait` does.
 */
export async function passTime(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
  for (let left = ms; left > 0; left -= lookAgainMs)
    await clock.wait(clock.now() + Math.min(left, lookAgainMs), signal);
}

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
