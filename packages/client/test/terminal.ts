import { PassThrough, Readable } from 'node:stream';
import { buffer, text } from 'node:stream/consumers';
import { run } from '../src/cli/program.ts';

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  /** The same, octet for octet. */
  readonly bytes: Buffer;
  readonly stderr: string;
}

/** Runs a command line in this process, as the command does; an error becomes its code and its text on standard error. */
export async function postern(
  args: readonly string[],
  input: string | Uint8Array = '',
  stop: AbortSignal = new AbortController().signal,
): Promise<Ran> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  const out = buffer(stdout);
  const err = text(stderr);
  let code: number;
  let shown = '';
  try {
    const terminal = { stdin: Readable.from([Buffer.from(input)]), stdout, stderr, watched: false, env: {} };
    code = await run(args, terminal, stop);
  } catch (error) {
    const { exitCode, message, hint } = error as { exitCode?: unknown; message?: unknown; hint?: unknown };
    if (typeof exitCode !== 'number') throw error;
    code = exitCode;
    shown = `${String(message)}\n${String(hint)}\n`;
  }
  stdout.end();
  stderr.end();
  const bytes = await out;
  return { code, bytes, stdout: bytes.toString('utf8'), stderr: (await err) + shown };
}
