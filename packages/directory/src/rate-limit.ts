/** Lets so many through at once, and then one each interval; counted apart for each key. Forgotten on restart. */
export interface RateLimit {
  /** Whether one more passes at `now`, milliseconds; that one is counted. */
  take(key: string, now: number): boolean;
  /** Whether one more would pass. */
  passes(key: string, now: number): boolean;
}

/** A token bucket for each key. */
export function rateLimit(burst: number, intervalMs: number): RateLimit {
  const spent = new Map<string, number>();
  /** The time at which the bucket is full again; further ahead than an empty one's only when the clock was set back. */
  const fullAt = (key: string, now: number): number => {
    const known = spent.get(key) ?? now;
    return known > now + burst * intervalMs ? now : Math.max(known, now);
  };
  const passes = (key: string, now: number): boolean =>
    fullAt(key, now) + intervalMs <= now + burst * intervalMs;
  return {
    passes,
    take(key, now) {
      if (!passes(key, now)) return false;
      spent.set(key, fullAt(key, now) + intervalMs);
      if (spent.size > 10_000) for (const [other, until] of spent) if (until <= now) spent.delete(other);
      return true;
    },
  };
}
