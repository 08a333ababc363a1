import { type DestinationStream, destination, pino } from 'pino';

/** What may stand beside an event: plain values, never addresses of people or peers, message ids, keys or exact sizes. */
export type LogFields = Readonly<Record<string, string | number | boolean>>;

/** A log of a process's own life. `event` is a constant string; what varies goes into the fields. */
export interface Log {
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

export interface LogOptions {
  /** The process's role, in every line. */
  readonly name: string;
  readonly level?: LogLevel;
  /** Defaults to standard error. */
  readonly destination?: DestinationStream;
}

/** JSON lines with an ISO 8601 time, without pid and host name: neither says anything about mail. */
export function createLog({ name, level = 'info', destination: to }: LogOptions): Log {
  const logger = pino(
    {
      level,
      base: { name },
      timestamp: pino.stdTimeFunctions.isoTime,
      messageKey: 'event',
      formatters: { level: (label) => ({ level: label }) },
    },
    to ?? destination({ fd: 2, sync: true }),
  );
  return {
    debug: (event, fields) => logger.debug(fields ?? {}, event),
    info: (event, fields) => logger.info(fields ?? {}, event),
    warn: (event, fields) => logger.warn(fields ?? {}, event),
    error: (event, fields) => logger.error(fields ?? {}, event),
  };
}

export const silentLog: Log = { debug() {}, info() {}, warn() {}, error() {} };
