import { exponential as drawExponential, type Random } from '../primitives/index.ts';

/** How an author asks the hops of a path to delay a packet. */
export interface Strategy {
  /** One delay for each hop, in whole milliseconds. */
  delays(hops: number, random: Random): number[];
}

/** A day. A delay is at most 37 times its mean (53-bit chance), so it always fits a packet's 32-bit field. */
export const longestMeanMs = 86_400_000;

/**
 * Independent exponential delays (Kesdogan's stop-and-go mix; Loopix, section 4.2): memoryless, so that how long a packet has been in a mix
 * tells nothing about when it leaves. Throws `RangeError` for a mean outside (0, one day].
 */
export function exponential(meanMs: number): Strategy {
  if (!(meanMs > 0 && meanMs <= longestMeanMs)) {
    throw new RangeError(`a mean delay is more than 0 and at most ${longestMeanMs} ms, not ${meanMs}`);
  }
  return {
    delays: (hops, random) => Array.from({ length: hops }, () => Math.round(drawExponential(random, meanMs))),
  };
}

/** No delay at all: a path without mixing. For tests and trials. */
export function none(): Strategy {
  return { delays: (hops) => Array.from({ length: hops }, () => 0) };
}
