import { type RateLimit, rateLimit } from '../rate-limit.ts';

/** How often descriptors are taken. */
export interface RateLimits {
  /** From one node that is registered. */
  readonly known: RateLimit;
  /** From all that are not, together. */
  readonly unknown: RateLimit;
}

/** A node may register anew twice an epoch for ever, however short the epoch; new nodes come one a second. */
export function rateLimits(epochSeconds: number): RateLimits {
  return {
    known: rateLimit(60, Math.min(10_000, (epochSeconds * 1_000) / 2)),
    unknown: rateLimit(500, 1_000),
  };
}
