import type { Clock } from '@postern/runtime';

export const epochSeconds = 3_600;
/** Milliseconds: one minute into epoch 1000. */
export const start: number = 1_000 * epochSeconds * 1_000 + 60_000;

/** A clock that stands still until it is moved. */
export class FakeClock implements Clock {
  #now: number;
  readonly #waiting = new Set<{ until: number; wake(): void }>();

  constructor(now: number = start) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  wait(until: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (until <= this.#now) return resolve();
      const waiting = { until, wake: resolve };
      this.#waiting.add(waiting);
      const end = (): void => {
        this.#waiting.delete(waiting);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', end, { once: true });
    });
  }

  moveTo(ms: number): void {
    this.#now = ms;
    for (const waiting of this.#waiting) {
      if (waiting.until > ms) continue;
      this.#waiting.delete(waiting);
      waiting.wake();
    }
  }

  advance(ms: number): void {
    this.moveTo(this.#now + ms);
  }

  /** When somebody wants to be woken next; never, when nobody waits. */
  next(): number {
    return Math.min(...[...this.#waiting].map(({ until }) => until));
  }
}

/** The clock of a machine that differs from another by so many milliseconds. */
export function shifted(clock: Clock, aheadMs: number): Clock {
  return {
    now: () => clock.now() + aheadMs,
    wait: (until, signal) => clock.wait(until - aheadMs, signal),
  };
}
