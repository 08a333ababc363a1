import { type Random, uniform } from '@postern/protocol/primitives';

export interface Pause {
  readonly firstMs: number;
  readonly mostMs: number;
}

/** Milliseconds to wait after so many failures in a row: doubling, up to a limit. */
export function backoff(failures: number, { firstMs, mostMs }: Pause): number {
  return Math.min(mostMs, firstMs * 2 ** Math.min(failures, 30));
}

/** The same, drawn from the upper half of it. */
export function jitteredBackoff(failures: number, pause: Pause, random: Random): number {
  return upperHalf(backoff(failures, pause), random);
}

/** Drawn between half of `ms` and all of it, so that many that failed together do not come back together. */
export function upperHalf(ms: number, random: Random): number {
  return ms * (0.5 + uniform(random) / 2);
}
