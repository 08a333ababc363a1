import { spawn } from 'node:child_process';
import { homedir } from 'node:os';
import { ClientError } from '../errors.ts';
import { firstLine, type SecretKind, secretLine } from '../secretline.ts';
import type { PasswordPlace, SubmissionConfig } from './settings.ts';

/** Whose password is wanted. */
export interface PasswordRequest {
  readonly user: string;
  /** The gateway's host. */
  readonly server: string;
}

/** Asks the person, or whatever stands in. */
export type PasswordSource = (request: PasswordRequest) => Promise<string>;

/** The source when there is none. */
export const noPassword: PasswordSource = async ({ user, server }) => {
  throw new ClientError('no-password', `there is no password for ${user} at ${server}`, {
    hint: 'Run the command in a terminal, or set submission.password_file or submission.password_command.',
  });
};

/** From where the configuration says. Throws `no-password`, `exposed`. */
export async function readPassword(
  { user, host, password }: SubmissionConfig,
  ask: PasswordSource,
  signal: AbortSignal,
): Promise<string> {
  switch (password.kind) {
    case 'file':
      return secretLine(password.path.replace(/^~(?=\/)/, homedir()), kind);
    case 'command':
      return firstLine(await outputOf(password.command, signal), kind);
    case 'ask':
      return ask({ user, server: host });
  }
}

const kind: SecretKind = { name: 'password', code: 'no-password' };

/** What a command prints. It reads nothing from here, and says on standard error what it has to say. */
function outputOf(
  [program, ...args]: Extract<PasswordPlace, { kind: 'command' }>['command'],
  signal: AbortSignal,
): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const fail = (why: string, cause?: unknown): void =>
    reject(
      new ClientError('no-password', `the password command ${why}`, {
        cause,
        hint: `Try it by hand: ${[program, ...args].join(' ')}`,
      }),
    );
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], signal });
  const chunks: Buffer[] = [];
  let length = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    length += chunk.length;
    if (length <= longestOutput) chunks.push(chunk);
    else child.kill();
  });
  child.on('error', (cause) => fail('cannot be run', cause));
  child.on('close', (code) => {
    if (length > longestOutput) fail(`printed more than ${longestOutput} bytes`);
    else if (code !== 0) fail(code === null ? 'was killed' : `ended with ${code}`);
    else resolve(Buffer.concat(chunks));
  });
  return promise;
}

const longestOutput = 65_536;
