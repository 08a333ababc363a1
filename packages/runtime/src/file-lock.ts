import { accessSync, closeSync, constants, openSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { isDenied } from './unreadable.ts';

/** https://www.sqlite.org/rescode.html#busy */
const sqliteBusy = 5;

/**
 * Locks an empty file, which is made when needed, against other processes and other threads of this one, until disposed of. It is SQLite's lock on an
 * empty database, which is the operating system's: it ends with its holder, so that none is left behind. Waits as long as `timeoutMs` for
 * another holder, which blocks the thread. Throws what `isHeld` says yes to when another one still has it, what `mayNotWrite` says yes to where
 * the file may not be written, and whatever else the file system or SQLite throws.
 */
export function lockFile(path: string, timeoutMs = 0): Disposable {
  makeFile(path);
  requireWritable(path);
  const database = new DatabaseSync(path, { timeout: timeoutMs });
  try {
    database.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw error;
  }
  return { [Symbol.dispose]: () => database.close() };
}

/** Whether a lock was not had because somebody else has it. */
export function isHeld(error: unknown): boolean {
  return error instanceof Error && 'errcode' in error && error.errcode === sqliteBusy;
}

/** Whether it was not had because the file, or its folder, is not this user's to write. */
export function mayNotWrite(error: unknown): boolean {
  return isDenied(error) || (error instanceof Error && 'code' in error && error.code === 'EROFS');
}

/** SQLite does not say why it cannot open a file, and takes one that it may only read: such a lock keeps nobody out. */
function requireWritable(path: string): void {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
  } catch (error) {
    if (mayNotWrite(error)) throw error;
  }
}

/** Opens none that is there: to close it would release every lock that this process has on it (fcntl(2)). */
function makeFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
