import type { Alarms } from '../alarms.ts';
import type { Members } from './members.ts';
import type { Seen } from './peers.ts';

/**
 * Holds the clocks of all against each other, by what their answers say (spec agreement 2.4). Whoever differs from the middle of all is named,
 * this authority as well.
 */
export function compareClocks(
  seen: ReadonlyMap<string, Seen>,
  { members, alarms, toleranceMs }: { members: Members; alarms: Alarms; toleranceMs: number },
): void {
  const ahead = new Map([[members.name, 0]]);
  for (const [name, { answeredMs, aheadMs }] of seen) {
    if (answeredMs !== undefined && aheadMs !== undefined) ahead.set(name, aheadMs);
  }
  // with fewer there is no saying who is wrong
  if (ahead.size < 3) return;
  const sorted = [...ahead.values()].sort((a, b) => a - b);
  const middle = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  for (const [name, ms] of ahead) {
    const kind = name === members.name ? 'clock-off' : 'peer-clock-off';
    const off = ms - middle;
    if (Math.abs(off) <= toleranceMs) alarms.clear(kind, name);
    else alarms.raise(kind, name, `its clock is ${describe(off)} most others'`);
  }
}

function describe(ms: number): string {
  const seconds = Math.round(Math.abs(ms) / 1_000);
  return `about ${seconds} s ${ms > 0 ? 'ahead of' : 'behind'}`;
}
