/** `wrong-text-owner` → `wrong text owner`. */
export function inWords(reason: string): string {
  return reason.replaceAll('-', ' ');
}

/** Unix seconds → `2026-04-11`. */
export function day(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}
