import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { ClientError } from '../errors.ts';

/*
 * Who makes a set holds a claim on it: an exclusive lock on an empty database beside it, as SQLite takes it from the operating system. It belongs to the file
 * and to whoever has it open: it ends with its holder, however that ends, and holds between containers that share a home. A process id does neither:
 * it may be another process's by now, and means something else in another container.
 *
 * A claim's file is made by the maker alone, and removed only under its lock. So a maker who has the lock while the file is there has that file's.
 */

/** A claim held. Disposed, it is gone, and so is its file. */
export type Claim = Disposable;

/** Claims a set that is about to be made. Nothing when somebody who cleans up has come between: then under another id. */
export function claim(outbox: string, id: string): Claim | undefined {
  const path = pathOf(outbox, id);
  writeFileSync(path, '', { flag: 'wx', mode: 0o600 });
  const found = lock(path);
  if (typeof found === 'string') return undefined;
  if (existsSync(path)) return found;
  found[Symbol.dispose]();
  return undefined;
}

/** The claim of a set that nobody makes any more; nothing while somebody does. */
export function takeOver(outbox: string, id: string): Claim | undefined {
  const found = lock(pathOf(outbox, id));
  if (found === 'held') return undefined;
  // The set was finished meanwhile, or a power failure has taken the file: nobody outlives that.
  return found === 'gone' ? { [Symbol.dispose]: () => undefined } : found;
}

/** The ids of sets that are being made, or were, among the names in an outbox. */
export function idsOfUnfinished(names: readonly string[]): string[] {
  const ids = names.flatMap((name) => /^\.(?:staged|claim)-([0-9a-f]{32})$/.exec(name)?.[1] ?? []);
  return [...new Set(ids)];
}

function pathOf(outbox: string, id: string): string {
  return join(outbox, `.claim-${id}`);
}

function lock(path: string): Claim | 'held' | 'gone' {
  const database = openExisting(path);
  if (database === undefined) return 'gone';
  try {
    // Nothing is ever written, so that there is nothing to roll back; without this the lock comes with a file for it.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (cause) {
    database.close();
    if (errorCode(cause) === SQLITE_BUSY) return 'held';
    throw unusable(path, cause);
  }
  return {
    [Symbol.dispose]() {
      rmSync(path, { force: true });
      database.close();
    },
  };
}

/** Never makes the file: see above. */
function openExisting(path: string): DatabaseSync | undefined {
  const url = pathToFileURL(path);
  url.searchParams.set('mode', 'rw');
  try {
    return new DatabaseSync(url, { timeout: 0 });
  } catch (cause) {
    if (!existsSync(path)) return undefined;
    throw unusable(path, cause);
  }
}

function unusable(path: string, cause: unknown): ClientError {
  const hint = 'Mend that and send again; nothing was sent.';
  return new ClientError('disk', `${path} cannot be locked`, { cause, hint });
}

function errorCode(error: unknown): unknown {
  return (error as { errcode?: unknown }).errcode;
}

const SQLITE_BUSY = 5;
