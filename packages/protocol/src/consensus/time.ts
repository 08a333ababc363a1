/** Unix seconds as people read them. */
export function showTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}
