/**
 * Whether what began then, milliseconds, is not over yet. When it lies ahead the clock has been set back since: nobody knows how long ago that was,
 * and it counts as over.
 */
export function isWithin(nowMs: number, sinceMs: number, lengthMs: number): boolean {
  return nowMs >= sinceMs && nowMs < sinceMs + lengthMs;
}
