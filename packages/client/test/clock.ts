import type { Clock } from '@postern/runtime';

/** A clock that stands still until somebody waits: then it is that time at once. */
export interface SteppedClock extends Clock {
  ms: number;
  /** Every time waited for. */
  readonly waits: number[];
}

export function steppedClock(ms: number): SteppedClock {
  const waits: number[] = [];
  return {
    ms,
    waits,
    now() {
      return this.ms;
    },
    async wait(untilMs, signal) {
      signal?.throwIfAborted();
      waits.push(untilMs);
      this.ms = Math.max(this.ms, untilMs);
    },
  };
}
