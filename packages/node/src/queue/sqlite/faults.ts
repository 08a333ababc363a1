// Each thread of a spool loads this: not all that a process has.
import { ExitCode } from '@postern/runtime/errors';
import { NodeError, type NodeErrorCode } from '../../errors.ts';

/** Primary result codes of SQLite, https://sqlite.org/rescode.html. */
const codes: Readonly<Record<number, NodeErrorCode>> = {
  5: 'spool-in-use',
  6: 'spool-in-use',
  8: 'spool-io',
  10: 'spool-io',
  11: 'spool-damaged',
  13: 'spool-full',
  14: 'spool-io',
  26: 'spool-damaged',
};

/** What an operator has to know before giving up a spool: without its replay tags the mix keys must go too, and they do. */
export const startingAnew: string =
  'To start with an empty spool move the file and its -wal away: what waits in it is not sent, and a mix destroys its keys and makes new ones, ' +
  'which ends the packets that are on their way to it. Do not put an older or recovered copy back without removing mix-keys/ as well: ' +
  'it lacks replay tags.';

const hints: Partial<Record<NodeErrorCode, string>> = {
  'spool-in-use': 'Another postern-node runs on this data directory; stop it, or give this one its own.',
  'spool-io': 'Check the disk and the permissions of the data directory.',
  'spool-damaged': `Check the disk. ${startingAnew}`,
  'spool-full': 'Free space on the disk of the data directory, or raise spool.max_size.',
};

/** What may be over by itself. */
const passing: ReadonlySet<NodeErrorCode> = new Set(['spool-io', 'spool-full', 'spool-closed']);

/** Anything thrown by SQLite as a fault of the spool. The statement is never shown: it may hold content. */
export function asNodeError(error: unknown): NodeError {
  if (error instanceof NodeError) return error;
  const errcode = error instanceof Error && 'errcode' in error ? Number(error.errcode) : undefined;
  const code = errcode === undefined ? 'spool-fault' : (codes[errcode & 0xff] ?? 'spool-fault');
  return spoolFault(code, errcode === undefined ? String(error) : `SQLite ${errcode}`, error);
}

export function spoolFault(code: NodeErrorCode, detail: string, cause?: unknown): NodeError {
  const hint = hints[code];
  return new NodeError(code, `the spool failed: ${detail}`, {
    cause,
    ...(hint === undefined ? {} : { hint }),
    ...(passing.has(code) ? { exitCode: ExitCode.tempFail } : {}),
  });
}

/** A fault as it crosses between threads. */
export type Told = Pick<NodeError, 'code' | 'message' | 'hint' | 'exitCode'>;

export function tellFault(error: unknown): Told {
  const { code, message, hint, exitCode } = asNodeError(error);
  return { code, message, exitCode, ...(hint === undefined ? {} : { hint }) };
}

/** The inverse of `tellFault`, but for what caused it. */
export function faultFrom({ code, message, ...rest }: Told): NodeError {
  return new NodeError(code, message, rest);
}
