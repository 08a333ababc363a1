/** What the answer of one URL says of its clock. */
export interface Reading {
  readonly url: string;
  /** Milliseconds that it is ahead of the clock here. */
  readonly aheadMs: number;
}

/** Seconds by which clocks may differ: what a reader bears of a consensus that has not begun (spec consensus 6.3), and answers are slow. */
const skewTolerance = 60;

/**
 * How far most clocks are ahead of the one here, milliseconds, by the one in their middle; undefined unless more than half of all URLs have told
 * theirs, and differ from that one by no more than clocks may. No single URL can so have a clock set, unless there is no other.
 */
export function aheadOf(readings: readonly Reading[], urls: number): number | undefined {
  const byUrl = new Map(readings.map(({ url, aheadMs }) => [url, aheadMs]));
  const sorted = [...byUrl.values()].sort((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)];
  if (middle === undefined) return undefined;
  const agreeing = sorted.filter((ms) => Math.abs(ms - middle) <= skewTolerance * 1_000);
  return agreeing.length * 2 > urls ? middle : undefined;
}

export function isOff(aheadMs: number | undefined): aheadMs is number {
  return aheadMs !== undefined && Math.abs(aheadMs) > skewTolerance * 1_000;
}

/** For example `2 h 3 min behind`, of the clock here. */
export function describeSkew(aheadMs: number): string {
  const way = aheadMs > 0 ? 'behind' : 'ahead';
  return `${describeSeconds(Math.round(Math.abs(aheadMs) / 1_000))} ${way}`;
}

/** The two largest units, for example `1 d 4 h`. */
function describeSeconds(seconds: number): string {
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count} ${unit}`).join(' ') || '0 s';
}
