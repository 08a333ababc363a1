/** Lets so many through at once, and then one each interval; counted apart for each key. Forgotten on restart. */
export interface RateLimit {
  /** Whether one more passes at `now`, milliseconds. */
  take(key: string, now: number): boolean;
}

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

/** A token bucket for each key. */
export function rateLimit(burst: number, intervalMs: number): RateLimit {
  const spent = new Map<string, number>();
  return {
    take(key, now) {
      // the time at which the bucket is full again; further ahead than an empty one's only when the clock was set back
      const known = spent.get(key) ?? now;
      const full = known > now + burst * intervalMs ? now : Math.max(known, now);
      if (full + intervalMs > now + burst * intervalMs) return false;
      spent.set(key, full + intervalMs);
      if (spent.size > 10_000) for (const [other, until] of spent) if (until <= now) spent.delete(other);
      return true;
    },
  };
}
