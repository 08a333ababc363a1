import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { buffer, text } from 'node:stream/consumers';
import { nodeArguments, type Program } from '@postern/testkit';

/** What became of a command. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

export interface CommandOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: Uint8Array;
}

/** Runs a command to its end, with `input` on standard input and nothing of our environment beside `env` but PATH and where compiled code is. */
export async function command(
  file: string,
  args: readonly string[],
  { env = {}, input }: CommandOptions = {},
): Promise<Ended> {
  const child = spawn(file, args, {
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE, ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  child.stdin.on('error', () => undefined); // it may end without reading
  child.stdin.end(input);
  const [stdout, stderr] = await Promise.all([
    buffer(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code: child.exitCode, stdout, stderr };
}

/** One of the project's own, from source. */
export function ours(
  program: Program,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<Ended> {
  return command(process.execPath, [...nodeArguments(program), ...args], options);
}

/** Whether a foreign command is installed. */
export async function installed(file: string): Promise<boolean> {
  try {
    await command(file, ['--version']);
    return true;
  } catch {
    return false;
  }
}
