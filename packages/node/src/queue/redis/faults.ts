import { ExitCode } from '@postern/runtime';
import { NodeError, type NodeErrorCode } from '../../errors.ts';
import { type Failure, type Place, refused, unreached } from './access.ts';

/** First words of what Redis refuses with, https://redis.io/docs/latest/develop/reference/protocol-spec/#simple-errors, and our scripts. */
const codes: Readonly<Record<string, NodeErrorCode>> = {
  SPOOLFULL: 'spool-full',
  OOM: 'spool-full',
  SPOOLLOST: 'spool-lost',
  SPOOLCLOCK: 'spool-io',
  READONLY: 'spool-io',
  MISCONF: 'spool-io',
  LOADING: 'spool-io',
  BUSY: 'spool-io',
  MASTERDOWN: 'spool-io',
  NOREPLICAS: 'spool-io',
  CLUSTERDOWN: 'spool-io',
  NOAUTH: 'spool-io',
  WRONGPASS: 'spool-io',
  NOPERM: 'spool-io',
};

const hints: Partial<Record<NodeErrorCode, string>> = {
  'spool-full': 'Raise spool.max_size and the maxmemory of Redis, or wait until it has been worked off.',
  'spool-io': 'See whether Redis runs, and takes writes: its log and its INFO persistence say so.',
  'spool-lost':
    'Redis holds another spool than before, or none. A node that starts on it destroys its mix keys and makes new ones.',
  'spool-foreign': 'Give spool.redis a name of its own: its processes are one node, with one identity.key.',
  'spool-damaged': 'Check the disk of Redis. To start with an empty spool give spool.redis another name.',
};

/** What a process ends with that cannot start. */
const exitCodes: Partial<Record<NodeErrorCode, ExitCode>> = {
  'spool-full': ExitCode.tempFail,
  'spool-io': ExitCode.tempFail,
  'spool-lost': ExitCode.tempFail,
  'spool-closed': ExitCode.tempFail,
  'spool-foreign': ExitCode.config,
};

export function redisFault(
  code: NodeErrorCode,
  detail: string,
  { hint = hints[code], exitCode = exitCodes[code] }: Partial<Omit<Failure, 'detail'>> = {},
): NodeError {
  const options = {
    ...(hint === undefined ? {} : { hint }),
    ...(exitCode === undefined ? {} : { exitCode }),
  };
  return new NodeError(code, `the spool failed: ${detail}`, options);
}

/**
 * Anything that Redis, ioredis or BullMQ rejected with, or what waits for them when the spool closes, as a fault of the spool at that place. The error itself is not kept: it carries the command, and
 * that content.
 */
export function asRedisFault(error: unknown, place: Place): NodeError {
  if (error instanceof NodeError) return error;
  if (error instanceof Error && 'code' in error && error.code === 'ABORT_ERR')
    return redisFault('spool-closed', 'it is closed');
  const { name, message } = error instanceof Error ? error : { name: '', message: '' };
  if (name !== 'ReplyError') return failure('spool-io', unreached(reason(error), place));
  const word = wordOf(message);
  const code = codes[word] ?? 'spool-fault';
  const known = refused(word, message, place);
  if (known !== undefined) return failure(code, known);
  return redisFault(code, code === 'spool-fault' ? said(message) : `Redis says ${word}`);
}

function failure(code: NodeErrorCode, { detail, ...rest }: Failure): NodeError {
  return redisFault(code, detail, rest);
}

/** A script that lacks a right fails in words of its own. */
function wordOf(message: string): string {
  if (message.startsWith('ERR ACL failure in script')) return 'NOPERM';
  return /^[A-Z]+/.exec(message)?.[0] ?? '';
}

/** Whether it is what Redis goes through, and not what this process does. */
export function isForAWhile(error: unknown): boolean {
  return error instanceof NodeError && (error.code === 'spool-io' || error.code === 'spool-full');
}

/** Whether a script was refused because the time it was told is not that of Redis. */
export function isOfAnotherTime(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError' && error.message.startsWith('SPOOLCLOCK ');
}

/** Without the arguments of the command, which Redis repeats when it does not know that one. */
function said(message: string): string {
  return (message.split(', with args', 1)[0] ?? '').slice(0, 200);
}

/** A system's error code, or what kind of error it is. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown';
  return 'code' in error && typeof error.code === 'string' ? error.code : error.message.slice(0, 100);
}
