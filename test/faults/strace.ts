import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';

/** Whether it can be attached to a process that runs. */
export const haveStrace =
  spawnSync('sh', ['-c', 'sleep 0.2 & exec strace -qq -o /dev/null -p $!']).status === 0;

/** A system call of a process, as strace shows it. */
export interface Call {
  /** Whether it has not been made, or is done and nobody in the process knows. */
  readonly side: 'before' | 'after';
  /** Names of system calls; each of them is held up for a moment, to be looked at. */
  readonly calls: string;
  /** Calls on other files are let alone. */
  readonly path?: string;
  /** What the call looks like: its name, arguments, the paths of file descriptors. */
  readonly line: RegExp;
  /** Names of calls, and what the last of them before it looks like. */
  readonly behind?: { readonly calls: string; readonly line: RegExp };
}

/** How long a call is held up: longer than it takes to be looked at. */
const heldMs = 400;

/** `late`: the process went on before it was killed. `gone`: it ended by itself, or `signal` aborted. */
export type Killed = 'killed' | 'late' | 'gone';

/** Resolves once the process has been killed at such a call. `onWatching` is called once no call can slip through. */
export async function killAtCall(
  pid: number,
  { side, calls, path, line, behind }: Call,
  { signal, onWatching }: { signal: AbortSignal; onWatching: () => void },
): Promise<Killed> {
  const delay = side === 'before' ? 'delay_enter' : 'delay_exit';
  const traced = behind === undefined ? calls : `${calls},${behind.calls}`;
  const attach = ['-f', '-y', '-s', '16', '-p', String(pid), '-e', `trace=${traced}`, '-e', 'signal=none'];
  const hold = ['-e', `inject=${calls}:${delay}=${heldMs * 1_000}`];
  const child = spawn('strace', [...attach, ...hold, ...(path === undefined ? [] : ['-P', path])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const stop = (): void => void child.kill('SIGTERM');
  signal.addEventListener('abort', stop, { once: true });
  let text = '';
  let struck: { readonly at: number; readonly thread: string } | undefined;
  let read = 0;
  let last = '';
  const look = (): void => {
    for (;;) {
      const end = text.indexOf('\n', read);
      const shown = text.slice(read, end < 0 ? undefined : end);
      if (/^strace: Process \d+ attached/.test(shown)) onWatching();
      const isHeld = side === 'before' || shown.endsWith('(DELAYED)');
      const follows = behind === undefined || behind.line.test(last);
      if (isHeld && follows && line.test(shown) && !shown.includes(' resumed>')) {
        process.kill(pid, 'SIGKILL');
        struck = { at: read + shown.length, thread: threadOf(shown) };
        return;
      }
      if (end < 0) return;
      if (!shown.startsWith('strace:')) last = shown;
      read = end + 1;
    }
  };
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    text += part;
    if (struck === undefined) look();
  });
  await once(child, 'close');
  signal.removeEventListener('abort', stop);
  if (struck === undefined) return 'gone';
  const { at, thread } = struck;
  const later = text.slice(at).split('\n').slice(1);
  const wentOn = later.some(
    (one) => threadOf(one) === thread && one !== '' && !/= \?|\+\+\+ killed|^strace:/.test(one),
  );
  return wentOn ? 'late' : 'killed';
}

function threadOf(line: string): string {
  return /^\[pid +(\d+)\]/.exec(line)?.[1] ?? '';
}
