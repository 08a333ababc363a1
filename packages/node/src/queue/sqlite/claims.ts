/** Who holds what, in memory alone: a restart frees everything, and so does the end of a lease. */
export interface Claims {
  /** Claims `key` until `now` or `from`, whichever is later, plus the lease. */
  take(key: string, now: number, from?: number): void;
  held(key: string, now: number): boolean;
  /** When the claim ends; 0 without one. */
  endOf(key: string): number;
  free(key: string): void;
  /** Forgets claims whose lease has ended. */
  prune(now: number): void;
}

export function createClaims(leaseMs: number): Claims {
  const until = new Map<string, number>();
  return {
    take(key, now, from = now) {
      until.set(key, Math.max(now, from) + leaseMs);
    },
    held: (key, now) => (until.get(key) ?? 0) > now,
    endOf: (key) => until.get(key) ?? 0,
    free: (key) => until.delete(key),
    prune(now) {
      for (const [key, end] of until) if (end <= now) until.delete(key);
    },
  };
}
