import { Readable } from 'node:stream';
import { runCommand } from '../lifecycle.ts';

export interface Asked {
  readonly number: number;
  readonly cwd: string;
  readonly args: readonly string[];
  readonly input: string | undefined;
}

export interface Answered {
  readonly number: number;
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

type Main = (args: readonly string[], stop: AbortSignal) => Promise<number>;

const alive = (): number => process.getActiveResourcesInfo().length;
const streams = ['stdout', 'stderr'] as const;

/** The far side of `hostCommands`: runs the commands that it is asked for, and answers what each wrote and ended with. */
export function answerCommands(name: string, main: Main): void {
  let turn = Promise.resolve();
  process.once('disconnect', () => process.exit());
  process.on('message', (asked: Asked) => {
    turn = turn.then(() => answer(name, main, asked));
  });
}

async function answer(name: string, main: Main, { number, cwd, args, input }: Asked): Promise<void> {
  process.chdir(cwd);
  const stdin = Readable.from(input === undefined ? [] : [Buffer.from(input)]);
  Object.defineProperty(process, 'stdin', { configurable: true, value: stdin });
  const written = { stdout: '', stderr: '' };
  const restoring = streams.map((stream) => {
    const { write } = process[stream];
    process[stream].write = (part: string | Uint8Array): boolean => {
      written[stream] += typeof part === 'string' ? part : Buffer.from(part).toString();
      return true;
    };
    return () => void Object.assign(process[stream], { write });
  });
  const before = alive();
  await runCommand({ name, main: (stop) => main(args, stop) });
  while (alive() > before) await new Promise((resolve) => setTimeout(resolve, 1));
  for (const restore of restoring) restore();
  const code = Number(process.exitCode ?? 0);
  process.exitCode = 0;
  process.send?.({ number, code, out: written.stdout, err: written.stderr } satisfies Answered);
}
