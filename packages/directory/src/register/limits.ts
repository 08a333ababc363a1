import { type RateLimit, rateLimit } from '../rate-limit.ts';

/** How often descriptors are taken. */
export interface RateLimits {
  /** From one node that is registered. */
  readonly known: RateLimit;
  /** Of those, what it needs to stay: nobody else's count towards it. */
  readonly renewals: RateLimit;
  /** From all that are registered, together, beyond that. */
  readonly again: RateLimit;
  /** From all that are not, together. */
  readonly unknown: RateLimit;
}

/** A node may register anew twice an epoch for ever, however short the epoch, unless all do; new nodes come one a second. */
export function rateLimits(epochSeconds: number): RateLimits {
  return {
    known: rateLimit(60, Math.min(10_000, (epochSeconds * 1_000) / 2)),
    renewals: rateLimit(2, epochSeconds * 1_000),
    again: rateLimit(1_000, 100),
    unknown: rateLimit(500, 1_000),
  };
}
