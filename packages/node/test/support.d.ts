import type { Clock, Random } from '@postern/runtime';
/** Chance that repeats from a seed. */
export declare function seeded(seed: string): Random;
/** A message of `length` octets in all, whose body is chance. */
export declare function message(random: Random, length: number): Uint8Array;
/** A clock that stands still until it is moved. */
export interface FakeClock extends Clock {
  /** Moves time on, waking on the way whoever waits, in the order of their times. */
  advance(ms: number): Promise<void>;
}
export declare function fakeClock(startMs: number): FakeClock;
/** Resolves once `condition` holds; the test's own time limit ends it otherwise. */
export declare function until(condition: () => boolean | Promise<boolean>): Promise<void>;
