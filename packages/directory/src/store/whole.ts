import type { DatabaseSync } from 'node:sqlite';

/** All of a change or nothing, and one wait for the disk. */
export function whole(database: DatabaseSync, change: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    change();
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
    throw error;
  }
}
