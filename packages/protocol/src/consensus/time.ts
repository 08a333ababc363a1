/** Beyond it a date cannot be (ECMA-262, section 21.4.1.1), Unix seconds. */
const lastSecond = 8_640_000_000_000;

/** Unix seconds as people read them, whatever somebody has written there. */
export function showTime(seconds: number): string {
  return Math.abs(seconds) <= lastSecond ? new Date(seconds * 1000).toISOString() : `second ${seconds}`;
}
