import type { Log, LogFields } from '@postern/runtime';

export interface Logged {
  readonly level: string;
  readonly event: string;
  readonly fields: LogFields | undefined;
}

/** A log that keeps what it is told. */
export function keepingLog(lines: Logged[] = []): { log: Log; lines: Logged[] } {
  const at = (level: string) => (event: string, fields?: LogFields) =>
    void lines.push({ level, event, fields });
  return { lines, log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') } };
}
