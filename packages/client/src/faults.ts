import { ProtocolError } from '@postern/protocol/envelope';
import { ExitCode } from '@postern/runtime';
import { ClientError } from './errors.ts';
import type { Problem } from './message.ts';

/** What only the work itself finds out: a key that has expired meanwhile, a full disk. Nothing of the message has stayed. */
export function unsealable(error: unknown): { kind: 'refused'; problems: readonly Problem[] } {
  if (error instanceof Error && 'syscall' in error) {
    throw new ClientError('disk', `the outbox cannot be written: ${error.message}`, {
      cause: error,
      hint: 'Mend that and send again; nothing was sent.',
    });
  }
  if (!(error instanceof ProtocolError)) throw error;
  return { kind: 'refused', problems: [problemOf(error)] };
}

/** What sealing refuses. */
export function problemOf({ code, message, hint }: ProtocolError): Problem {
  return {
    code: code === 'too-large' ? 'too-large' : 'bad-message',
    message,
    hint: hint ?? 'Correct the message and send it again.',
    exitCode: ExitCode.dataError,
  };
}

/** What goes wrong once the message is in the outbox: sent again, it would arrive twice. */
export function inTheOutbox(id: string, cause: unknown): never {
  const why = cause instanceof Error ? cause.message : String(cause);
  throw new ClientError(
    'not-handed-over',
    `the message is in the outbox as ${id}, and there it stays: ${why}`,
    {
      cause,
      hint: 'Do not send it again: postern flush goes on with it.',
    },
  );
}
