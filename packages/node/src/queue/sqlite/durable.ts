import type { DatabaseSync } from 'node:sqlite';
import { asNodeError } from './faults.ts';
import { cutJournal, journalBytes, moveJournal, overwriteJournal, syncJournal } from './journal.ts';

/** The journal, and whether what stands in it is on the disk. */
export interface Journal {
  /**
   * Whether a transaction was committed without a sync since `sync`, `move` or `cut`, or may have been before the database was opened. The sync of a later commit does not count: one that changed
   * nothing has none.
   */
  readonly unsynced: boolean;
  /** To be said of every transaction that was committed without a sync. */
  wrote(): void;
  /** To be told why a transaction failed. */
  failed(error: unknown): void;
  /** When it returns, everything that was committed is on the disk. Not to be called inside a transaction. */
  sync(): void;
  /** As `moveJournal`. */
  move(): void;
  /** As `cutJournal`. */
  cut(): void;
  /** Makes sure that the journal can be written on: throws when it cannot. Not to be called inside a transaction. */
  mend(): void;
}

/** How the journal reaches the disk. */
export interface JournalDisk {
  readonly sync: (path: string) => void;
  readonly move: typeof moveJournal;
  readonly cut: typeof cutJournal;
}

/**
 * Follows what of the journal is synced. A sync that failed leaves frames which the system takes for written, and a later sync that
 * succeeds says nothing of them: SQLite would read the journal only up to the first that is missing. So once any fails, nothing is
 * committed until a checkpoint has brought everything into the database and synced that.
 */
export function createJournal(
  db: DatabaseSync,
  path: string,
  disk: JournalDisk = { sync: syncJournal, move: moveJournal, cut: cutJournal },
): Journal {
  /** Whoever had the database before may have ended without a sync. */
  let unsynced = journalBytes(path) > 0;
  let doubtful = false;

  /** Everything is in the database and synced: before the journal is overwritten, too. */
  const moved = (): void => {
    unsynced = false;
    doubtful = false;
  };

  const failed = (error: unknown): void => {
    if (unsynced && asNodeError(error).code === 'spool-io') doubtful = true;
  };

  const trying = (step: () => void): void => {
    try {
      step();
      moved();
    } catch (error) {
      failed(error);
      throw error;
    }
  };
  const move = (): void => trying(() => disk.move(db));
  const cut = (): void =>
    trying(() =>
      disk.cut(db, path, (at) => {
        moved();
        overwriteJournal(at);
      }),
    );

  const mend = (): void => {
    if (!doubtful) return;
    try {
      cut();
    } catch (error) {
      if (doubtful) throw error;
    }
  };

  return {
    get unsynced() {
      return unsynced;
    },
    wrote() {
      unsynced = true;
    },
    failed,
    sync() {
      mend();
      if (!unsynced) return;
      try {
        disk.sync(path);
        unsynced = false;
      } catch {
        doubtful = true;
        mend();
      }
    },
    move,
    cut,
    mend,
  };
}

/**
 * Gives what is to be called after every answer, so that `journal` is synced at the latest `withinMs` after the first transaction that was
 * not, however much comes meanwhile. A sync that fails is tried again after as long.
 */
export function syncWithin(journal: Pick<Journal, 'unsynced' | 'sync'>, withinMs: number): () => void {
  let timer: NodeJS.Timeout | undefined;
  let dueMs = 0;
  const run = (): void => {
    clearTimeout(timer);
    timer = undefined;
    try {
      journal.sync();
    } catch {
      // Whoever writes next is told.
    }
    check();
  };
  const check = (): void => {
    if (!journal.unsynced) return;
    if (timer === undefined) {
      dueMs = performance.now() + withinMs;
      timer = setTimeout(run, withinMs).unref();
    } else if (performance.now() >= dueMs) run(); // timers wait while messages come
  };
  return check;
}
