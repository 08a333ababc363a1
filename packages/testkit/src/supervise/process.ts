import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { environment, nodeArguments, type Program } from './programs.ts';

export interface ProcessOptions {
  readonly name: string;
  readonly program: Program;
  readonly args: readonly string[];
  /** Takes what it writes on standard output and error; grows with every start. */
  readonly log: string;
  /** Whether it is started again when it ends by itself or is killed. */
  readonly restart: boolean;
  /** Called with every start, once `pid` says so. */
  readonly onStart?: (pid: number) => void;
  /** Called when it has ended by itself or was killed, with how. */
  readonly onEnd?: (end: string) => void;
}

/** A process of ours, and those that took its place. */
export interface Supervised extends AsyncDisposable {
  readonly name: string;
  readonly log: string;
  /** Of the one that runs now, or of the last one that did. */
  readonly pid: number;
  /** How often it was started. */
  readonly starts: number;
  /** Resolves when it runs no more and will not again, to how it ended. */
  readonly ended: Promise<string>;
  /** Kills the one that runs now, as a fault would. False when none runs. */
  kill(): boolean;
  /** SIGTERM, and SIGKILL when it has not drained in time; it is not started again. Resolves to how it ended. */
  stop(): Promise<string>;
}

const drainMs = 20_000;
/** A process that lives shorter than this is started again only after a pause, which grows. */
const shortLifeMs = 2_000;

export async function startProcess(options: ProcessOptions): Promise<Supervised> {
  const { name, restart, log } = options;
  const stopping = new AbortController();
  let child = await launch(options);
  let starts = 1;
  const started = (): void => {
    if (child.pid !== undefined) options.onStart?.(child.pid);
  };
  started();

  const supervise = async (): Promise<string> => {
    for (let failures = 0; ; ) {
      const began = performance.now();
      const end = await endOf(child);
      if (!stopping.signal.aborted) options.onEnd?.(end);
      if (stopping.signal.aborted || !restart) return end;
      failures = performance.now() - began < shortLifeMs ? failures + 1 : 0;
      const wait = failures > 1 ? Math.min(5_000, 100 * 2 ** failures) : 0;
      await pause(wait, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return end;
      child = await launch(options);
      starts += 1;
      started();
      // The order to stop may have come while it was being started.
      if (stopping.signal.aborted) child.kill('SIGTERM');
    }
  };
  const ended = supervise();

  const stop = async (): Promise<string> => {
    stopping.abort();
    if (isAlive(child)) child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), drainMs);
    try {
      return await ended;
    } finally {
      clearTimeout(late);
    }
  };
  return {
    name,
    log,
    ended,
    get pid() {
      return child.pid ?? Number.NaN;
    },
    get starts() {
      return starts;
    },
    kill: () => isAlive(child) && child.kill('SIGKILL'),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
    },
  };
}

async function launch({ program, args, log }: ProcessOptions): Promise<ChildProcess> {
  const file = await open(log, 'a', 0o600);
  try {
    const child = spawn(process.execPath, [...nodeArguments(program), ...args], {
      stdio: ['ignore', file.fd, file.fd],
      env: environment(),
    });
    if (child.pid === undefined) await once(child, 'spawn'); // throws why it could not start
    return child;
  } finally {
    await file.close();
  }
}

/** Resolves to how a process ended: `exit 0`, `SIGKILL`. */
async function endOf(child: ChildProcess): Promise<string> {
  if (isAlive(child)) await once(child, 'exit');
  return child.signalCode ?? `exit ${child.exitCode}`;
}

function isAlive(child: ChildProcess): boolean {
  return child.exitCode === null && child.signalCode === null;
}

/** Runs a command to its end and gives what it printed. Throws with what it complained of. */
export async function runProgram(program: Program, args: readonly string[]): Promise<string> {
  const child = spawn(process.execPath, [...nodeArguments(program), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: environment(),
  });
  const parts: { out: Buffer[]; err: Buffer[] } = { out: [], err: [] };
  child.stdout.on('data', (part: Buffer) => parts.out.push(part));
  child.stderr.on('data', (part: Buffer) => parts.err.push(part));
  await once(child, 'close');
  if (child.exitCode === 0) return Buffer.concat(parts.out).toString('utf8');
  const complaint = Buffer.concat(parts.err).toString('utf8').trim();
  throw new Error(
    `${program} ${args[0] ?? ''} ended with ${child.exitCode ?? child.signalCode}: ${complaint}`,
  );
}

/** The last lines of a process's log, for a person who wonders why it ended. */
export async function lastLines({ log }: Pick<Supervised, 'log'>, count = 10): Promise<string> {
  const text = await readFile(log, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-count).join('\n');
}
