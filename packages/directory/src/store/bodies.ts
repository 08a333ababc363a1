import type { DatabaseSync } from 'node:sqlite';
import type { RegisteredStore } from './registered.ts';
import { whole } from './whole.ts';

/** A descriptor as it was signed, with its `descriptorDigest`. */
export interface Body {
  readonly digest: string;
  readonly signed: string;
}

/** Descriptors as they were signed, by `descriptorDigest`: those registered, and those that votes have named of late. */
export interface BodyStore {
  body(digest: string): string | undefined;
  keepBodies(epoch: number, bodies: readonly Body[]): void;
  /** Forgets those that were named for earlier epochs only. */
  dropBodies(beforeEpoch: number): void;
}

export const bodyLayout = `
  CREATE TABLE IF NOT EXISTS body (digest TEXT PRIMARY KEY, epoch INTEGER NOT NULL, signed TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS body_epoch ON body (epoch);`;

export function bodiesIn(database: DatabaseSync, registered: Pick<RegisteredStore, 'byDigest'>): BodyStore {
  const body = (digest: string): string | undefined => {
    const known = registered.byDigest(digest);
    if (known !== undefined) return known.signed;
    const row = database.prepare('SELECT signed FROM body WHERE digest = ?').get(digest);
    return row === undefined ? undefined : String(row.signed);
  };
  return {
    body,
    keepBodies: (epoch, bodies) => whole(database, () => insertBodies(database, epoch, bodies)),
    dropBodies(beforeEpoch) {
      database.prepare('DELETE FROM body WHERE epoch < ?').run(beforeEpoch);
    },
  };
}

/** Within a transaction. */
export function insertBodies(database: DatabaseSync, epoch: number, bodies: readonly Body[]): void {
  const insert = database.prepare(
    'INSERT INTO body VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET epoch = excluded.epoch WHERE epoch < excluded.epoch',
  );
  for (const { digest, signed } of bodies) insert.run(digest, epoch, signed);
}
