import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { storesFolder } from '@postern/runtime/testing';

/** Tables of a spool in which something waits for its time or for the rest of its set. */
export type Shelf = 'relays' | 'fragments';

/** What whoever takes a disk reads in a spool: of each shelf that holds anything, how many rows, and every value of them. */
export type Waiting = ReadonlyMap<Shelf, { readonly rows: number; readonly bytes: Uint8Array }>;

const queries: Readonly<Record<Shelf, string>> = {
  relays: 'SELECT * FROM relays JOIN slots USING (slot)',
  fragments: 'SELECT * FROM fragments',
};

/**
 * Opens a copy of a spool and its journal, as they lay beside each other, with SQLite. A node goes on while they are read, so a copy may be torn:
 * what cannot be opened shows nothing, and whoever needs to see something looks again.
 */
export async function readWaiting(spool: Uint8Array, journal: Uint8Array | undefined): Promise<Waiting> {
  const folder = await storesFolder('spool');
  try {
    const path = join(folder, 'copy.sqlite');
    await writeFile(path, spool);
    if (journal !== undefined) await writeFile(`${path}-wal`, journal);
    return waitingIn(path);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function waitingIn(path: string): Waiting {
  const waiting = new Map<Shelf, { rows: number; bytes: Uint8Array }>();
  try {
    using db = new DatabaseSync(path);
    for (const shelf of Object.keys(queries) as Shelf[]) {
      const rows = db.prepare(queries[shelf]).all();
      if (rows.length > 0) waiting.set(shelf, { rows: rows.length, bytes: valuesOf(rows) });
    }
    return waiting;
  } catch (error) {
    if (error instanceof Error && 'errcode' in error) return new Map();
    throw error;
  }
}

/** Each value on a line of its own, as it is. */
function valuesOf(rows: readonly Readonly<Record<string, unknown>>[]): Buffer {
  const values = rows.flatMap((row) => Object.values(row));
  return Buffer.concat(
    values.flatMap((value) => [
      value instanceof Uint8Array ? value : Buffer.from(String(value)),
      Buffer.from('\n'),
    ]),
  );
}
