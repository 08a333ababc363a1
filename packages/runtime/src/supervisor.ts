import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { aborted } from './lifecycle.ts';
import type { Log } from './log.ts';

/** What systemd has told a process that it starts; nothing for one that it does not. */
export interface Supervision {
  /** Address of the socket that it listens on. */
  readonly socket: string;
  /** How soon it has to hear again that the process lives; never when not given. */
  readonly watchdogMs?: number;
}

export interface SupervisorOptions {
  readonly by: Supervision | undefined;
  readonly log: Log;
  /** Resolves while the process does its work. */
  readonly alive: () => Promise<unknown>;
}

/** Reads sd_notify(3) and sd_watchdog_enabled(3) of an environment. */
export function superviseBy(env: NodeJS.ProcessEnv, pid: number): Supervision | undefined {
  const { NOTIFY_SOCKET: socket, WATCHDOG_USEC: period, WATCHDOG_PID: whose } = env;
  if (socket === undefined) return undefined;
  const watched = period !== undefined && (whose === undefined || whose === String(pid));
  return { socket, ...(watched ? { watchdogMs: Number(period) / 1_000 } : {}) };
}

/** What comes of it; nothing once `signal` aborts. Nothing of it stays with the signal. */
async function unless<T>(signal: AbortSignal, result: Promise<T>): Promise<T | undefined> {
  const over = new AbortController();
  try {
    return await Promise.race([
      result,
      aborted(AbortSignal.any([signal, over.signal])).then(() => undefined),
    ]);
  } finally {
    over.abort();
  }
}

/**
 * Tells systemd that the process is ready, that it lives, for as long as it does its work, and when disposed of that it stops. It is told by
 * systemd's own program, since Node has no datagram sockets of the unix kind; a unit so needs `NotifyAccess=all`.
 */
export async function tellSupervisor({ by, log, alive }: SupervisorOptions): Promise<AsyncDisposable> {
  if (by === undefined) return { [Symbol.asyncDispose]: async () => undefined };
  const { socket, watchdogMs } = by;
  const stop = new AbortController();
  const { signal } = stop;
  const tell = (what: string): Promise<void> =>
    new Promise((resolve) => {
      const env = { ...process.env, NOTIFY_SOCKET: socket };
      execFile('systemd-notify', [what], { env, timeout: 10_000 }, (error) => {
        if (error !== null) log.warn('systemd could not be told', { what, code: String(error.code) });
        resolve();
      });
    });
  /** By a timer that goes on whatever becomes of the clock. */
  const beat = async (everyMs: number): Promise<void> => {
    for (;;) {
      await pause(everyMs, undefined, { signal });
      const lives = alive().then(
        () => true,
        () => false,
      );
      const found = await unless(signal, lives);
      if (found === true) await tell('WATCHDOG=1');
      if (found === false) log.error('it does not do its work: systemd is not told that it lives');
    }
  };
  await tell('READY=1');
  const beating = watchdogMs === undefined ? undefined : beat(watchdogMs / 4).catch(() => undefined);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await beating;
      await tell('STOPPING=1');
    },
  };
}
