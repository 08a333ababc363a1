import type { Clock } from '@postern/runtime';

export interface RateLimits {
  readonly carriagesPerHour: number;
  readonly bytesPerHour: number;
}

/** How much each author or domain has sent of late: in memory alone, and nothing of when or to whom. */
export interface Rate {
  /** Counts one message, unless it is too much: then nothing is counted. */
  take(who: string, bytes: number): boolean;
}

interface Spent {
  carriages: number;
  bytes: number;
  atMs: number;
}

/**
 * Buckets that leak: an hour's amount may come at once, and what was sent is forgotten evenly over the next hour, so that no
 * moment exists at which everybody starts anew. At most `most` are remembered, those longest unseen go first.
 */
export function createRate(limits: RateLimits, clock: Pick<Clock, 'now'>, most = 10_000): Rate {
  const spent = new Map<string, Spent>();
  return {
    take(who, bytes) {
      const now = clock.now();
      const before = spent.get(who);
      const hours = before === undefined ? 0 : Math.max(0, now - before.atMs) / hourMs;
      const faded = (of: keyof RateLimits, amount = 0): number => Math.max(0, amount - limits[of] * hours);
      const next = {
        carriages: faded('carriagesPerHour', before?.carriages) + 1,
        bytes: faded('bytesPerHour', before?.bytes) + bytes,
        atMs: now,
      };
      if (next.carriages > limits.carriagesPerHour || next.bytes > limits.bytesPerHour) return false;
      spent.delete(who);
      spent.set(who, next);
      if (spent.size > most) spent.delete(spent.keys().next().value ?? who);
      return true;
    },
  };
}

const hourMs = 3_600_000;
