import { randomFillSync } from 'node:crypto';
import { closeSync, fdatasyncSync, fsyncSync, openSync, statSync, writeSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';

/** Length of the write-ahead log's header, https://sqlite.org/fileformat2.html#the_write_ahead_log. */
const headerBytes = 32;
const pieceBytes = 256 * 1024;

/** Bytes of the journal of the database at `path`. */
export function journalBytes(path: string): number {
  return statSync(journalOf(path), { throwIfNoEntry: false })?.size ?? 0;
}

/** Syncs the journal as it is. */
export function syncJournal(path: string): void {
  if (journalBytes(path) === 0) return;
  const journal = openSync(journalOf(path), 'r+');
  try {
    fdatasyncSync(journal);
  } finally {
    closeSync(journal);
  }
}

/**
 * Writes everything of the journal into the database and syncs it: nobody reads the journal any more, and the next transaction begins it anew, over
 * what is there. Throws when it cannot be moved whole; then it stays as it is. Not to be called inside a transaction.
 */
export function moveJournal(db: DatabaseSync): void {
  const done = db.prepare('PRAGMA wal_checkpoint(RESTART)').get();
  if (done?.busy !== 0 || done.log !== done.checkpointed) throw new Error('the journal is in use');
}

/**
 * Moves the journal into the database, overwrites it where it lies, and cuts it: inputs and the relays made of them stand in it in
 * the order of time. Throws when the journal cannot be moved whole; then it stays as it is. A crash at any point leaves
 * the database as it was. Not to be called inside a transaction.
 */
export function cutJournal(
  db: DatabaseSync,
  path: string,
  overwrite: (path: string) => void = overwriteJournal,
): void {
  if (journalBytes(path) === 0) return;
  moveJournal(db);
  overwrite(path);
  db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
}

/**
 * Overwrites a journal whose content is in the database and synced. The header goes first and for good: under an intact one SQLite
 * would take the frames that are still there for the newest, up to the first that is not, and put old pages over new ones.
 */
export function overwriteJournal(path: string): void {
  const journal = openSync(journalOf(path), 'r+');
  try {
    const end = journalBytes(path);
    writeSync(journal, new Uint8Array(headerBytes), 0, Math.min(headerBytes, end), 0);
    fsyncSync(journal);
    const piece = new Uint8Array(Math.min(pieceBytes, end));
    for (let at = headerBytes; at < end; ) {
      randomFillSync(piece);
      at += writeSync(journal, piece, 0, Math.min(piece.length, end - at), at);
    }
    fsyncSync(journal);
  } finally {
    closeSync(journal);
  }
}

function journalOf(path: string): string {
  return `${path}-wal`;
}
