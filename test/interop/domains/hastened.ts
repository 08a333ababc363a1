import { setMaxListeners } from 'node:events';
import { type Clock, systemClock } from '@postern/runtime';

/** The system's clock, for a program that is to see hours go by at once. */
export interface HastenedClock extends Clock {
  advance(ms: number): void;
}

export function hastenedClock(): HastenedClock {
  let ahead = 0;
  const advanced = new EventTarget();
  setMaxListeners(0, advanced); // one for everything that waits
  const now = (): number => systemClock.now() + ahead;
  return {
    now,
    async wait(untilMs, signal) {
      signal?.throwIfAborted();
      while (now() < untilMs) {
        const interrupted = new AbortController();
        const interrupt = (): void => interrupted.abort();
        advanced.addEventListener('advanced', interrupt);
        const either =
          signal === undefined ? interrupted.signal : AbortSignal.any([signal, interrupted.signal]);
        await systemClock.wait(untilMs - ahead, either).catch(() => signal?.throwIfAborted());
        advanced.removeEventListener('advanced', interrupt);
      }
    },
    advance(ms) {
      ahead += ms;
      advanced.dispatchEvent(new Event('advanced'));
    },
  };
}
