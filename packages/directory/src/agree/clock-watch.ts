/** Notices that somebody has set the clock. */
export interface ClockWatch {
  /** The latest time that the clock has said, milliseconds, if it was set since the last look. */
  wasSet(): number | undefined;
}

/** `uptime` is milliseconds as they pass, on a clock that nobody sets; `toleranceMs` is by how much the two may differ between looks. */
export function watchClock(now: () => number, uptime: () => number, toleranceMs: number): ClockWatch {
  let [wallMs, upMs] = [now(), uptime()];
  return {
    wasSet() {
      const [nowMs, nowUpMs] = [now(), uptime()];
      const before = wallMs + (nowUpMs - upMs);
      const isSet = Math.abs(nowMs - before) > toleranceMs;
      [wallMs, upMs] = [nowMs, nowUpMs];
      return isSet ? Math.max(before, nowMs) : undefined;
    },
  };
}
