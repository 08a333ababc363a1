import type { Readable, Writable } from 'node:stream';

/** What a command talks through. Results go to `stdout`; progress, warnings and questions to `stderr` or the terminal. */
export interface Terminal {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  /** Whether a person watches `stderr`. */
  readonly watched: boolean;
  readonly env: NodeJS.ProcessEnv;
}

export function systemTerminal(): Terminal {
  const { stdin, stdout, stderr, env } = process;
  return { stdin, stdout, stderr, watched: stderr.isTTY === true, env };
}

/** Writes all of it before it returns: a pipe may be slow, and whoever read may have read enough: `postern open | head`. */
export function write(stream: Writable, content: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(content, (error) => {
      if (error instanceof Error && (error as NodeJS.ErrnoException).code !== 'EPIPE') reject(error);
      else resolve();
    });
  });
}
