import { accessSync, closeSync, constants, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { ExitCode, isDenied, isMissing } from '@postern/runtime';
import { NodeError } from './errors.ts';

/** https://www.sqlite.org/rescode.html#busy */
const sqliteBusy = 5;

/**
 * Keeps a data directory for one node that runs, until disposed of: each turns keys there, and has its socket there. SQLite's lock on an
 * empty database is the operating system's: it ends with its holder. Throws `NodeError` `data-in-use`, `key-file-io`.
 */
export function lockDataDir(dataDir: string): Disposable {
  const path = join(dataDir, 'lock');
  let database: DatabaseSync | undefined;
  try {
    makeFile(path);
    requireWritable(path);
    database = new DatabaseSync(path);
    database.exec('BEGIN EXCLUSIVE');
  } catch (cause) {
    database?.close();
    if (cause instanceof Error && 'errcode' in cause && cause.errcode === sqliteBusy)
      throw new NodeError('data-in-use', `another postern-node runs on ${dataDir}`, {
        cause,
        exitCode: ExitCode.unavailable,
        hint: 'Stop it, or give this one a data directory of its own.',
      });
    throw new NodeError('key-file-io', `${path} cannot be locked`, {
      cause,
      ...whyNot(cause),
    });
  }
  return { [Symbol.dispose]: () => database.close() };
}

function whyNot(cause: unknown): { readonly exitCode: ExitCode; readonly hint: string } {
  if (isMissing(cause))
    return {
      exitCode: ExitCode.config,
      hint: 'That folder is not there: correct data_dir, or make one: postern-node init.',
    };
  if (mayNotWrite(cause))
    return {
      exitCode: ExitCode.noPermission,
      hint: 'See that the node’s user may write to that folder, and that the file is that user’s.',
    };
  return {
    exitCode: ExitCode.config,
    hint: 'It is to be an empty file. See that no postern-node runs on that folder, and remove it.',
  };
}

/** SQLite does not say why it cannot open a file, and takes one that it may only read: such a lock keeps nobody out. */
function requireWritable(path: string): void {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    if (mayNotWrite(error)) throw error;
  }
}

function mayNotWrite(error: unknown): boolean {
  return isDenied(error) || (error as NodeJS.ErrnoException).code === 'EROFS';
}

/** Opens none that is there: to close it would release every lock that this process has on it (fcntl(2)). */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
