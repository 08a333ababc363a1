import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { buffer } from 'node:stream/consumers';

export interface RunOptions {
  readonly input?: Uint8Array | string;
  /** Added to ours. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Outcome {
  /** 128 and more after a signal. */
  readonly code: number;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Where programs run: this machine as it is, or a namespace of one's own. */
export interface Place {
  /** Runs a program to its end. */
  call(program: string, args: readonly string[], options?: RunOptions): Promise<Outcome>;
  /** The same, and gives what it printed. Throws when it fails. */
  run(program: string, args: readonly string[], options?: RunOptions): Promise<Buffer>;
  /** Starts one that stays, and is killed when we are; the standard streams go nowhere unless told otherwise. */
  start(program: string, args: readonly string[], options?: SpawnOptions): ChildProcess;
}

export const here: Place = placeOf((program, args) => [program, args]);

/** A place that is reached by way of another program. */
export function placeOf(
  via: (program: string, args: readonly string[]) => readonly [string, readonly string[]],
): Place {
  const call: Place['call'] = async (program, args, { input = '', env } = {}) => {
    const child = spawn(...via(program, args), { env: { ...process.env, ...env } });
    child.stdin.on('error', () => undefined); // one that does not read to the end
    child.stdin.end(input);
    const ended = once(child, 'close');
    const [stdout, stderr] = await Promise.all([buffer(child.stdout), buffer(child.stderr)]);
    const [code] = (await ended) as [number | null];
    return { code: code ?? 128, stdout, stderr: stderr.toString() };
  };
  return {
    call,
    run: async (program, args, options) => {
      const { code, stdout, stderr } = await call(program, args, options);
      if (code !== 0)
        throw new Error(`${program} ${args.join(' ')} ended with ${code}: ${stderr}${stdout.toString()}`);
      return stdout;
    },
    start: (program, args, options) => {
      const [file, rest] = via(program, args);
      const dying = ['--pdeathsig', 'KILL', file, ...rest];
      return spawn('/usr/bin/setpriv', dying, { stdio: 'ignore', ...options });
    },
  };
}
