import type { DatabaseSync } from 'node:sqlite';
import { whole } from './whole.ts';

/** Descriptors as they were signed, by `descriptorDigest`: those registered, and those that votes have named of late. */
export interface BodyStore {
  body(digest: string): string | undefined;
  hasBody(digest: string): boolean;
  keepBodies(epoch: number, bodies: readonly { readonly digest: string; readonly signed: string }[]): void;
  /** Forgets those that were named for earlier epochs only. */
  dropBodies(beforeEpoch: number): void;
}

export const bodyLayout = `
  CREATE TABLE IF NOT EXISTS body (digest TEXT PRIMARY KEY, epoch INTEGER NOT NULL, signed TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS body_epoch ON body (epoch);`;

export function bodiesIn(
  database: DatabaseSync,
  registered: { byDigest(digest: string): { readonly signed: string } | undefined },
): BodyStore {
  const body = (digest: string): string | undefined => {
    const known = registered.byDigest(digest);
    if (known !== undefined) return known.signed;
    const row = database.prepare('SELECT signed FROM body WHERE digest = ?').get(digest);
    return row === undefined ? undefined : String(row.signed);
  };
  return {
    body,
    hasBody: (digest) => body(digest) !== undefined,
    keepBodies(epoch, bodies) {
      const insert = database.prepare(
        'INSERT INTO body VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET epoch = max(epoch, excluded.epoch)',
      );
      whole(database, () => {
        for (const { digest, signed } of bodies) insert.run(digest, epoch, signed);
      });
    },
    dropBodies(beforeEpoch) {
      database.prepare('DELETE FROM body WHERE epoch < ?').run(beforeEpoch);
    },
  };
}
