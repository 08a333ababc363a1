import type { DatabaseSync } from 'node:sqlite';
import { whole } from './whole.ts';

/** A certificate, as whoever verifies the past needs it. */
export interface PastCertificate {
  readonly authority: string;
  /** Unix seconds. */
  readonly validUntil: number;
  readonly signed: string;
}

/** Certificates of keys that have signed a consensus that was issued: kept for good, of authorities too that are none any more. */
export interface PastStore {
  /** What is kept already counts as kept again. Of one authority those that end last are kept, so many. */
  keepPast(certificates: readonly PastCertificate[], mostOfOne: number): void;
  past(): readonly PastCertificate[];
}

export const pastLayout = `
  CREATE TABLE IF NOT EXISTS past_certificate (
    authority TEXT NOT NULL, valid_until INTEGER NOT NULL, signed TEXT NOT NULL,
    PRIMARY KEY (authority, valid_until, signed)
  ) STRICT, WITHOUT ROWID;`;

export function pastIn(database: DatabaseSync): PastStore {
  return {
    keepPast(certificates, mostOfOne) {
      const insert = database.prepare('INSERT INTO past_certificate VALUES (?, ?, ?) ON CONFLICT DO NOTHING');
      const trim = database.prepare(`
        DELETE FROM past_certificate WHERE authority = ?1 AND (valid_until, signed) IN (
          SELECT valid_until, signed FROM past_certificate WHERE authority = ?1
          ORDER BY valid_until DESC, signed LIMIT -1 OFFSET ?2)`);
      whole(database, () => {
        for (const { authority, validUntil, signed } of certificates)
          insert.run(authority, validUntil, signed);
        for (const authority of new Set(certificates.map((one) => one.authority)))
          trim.run(authority, mostOfOne);
      });
    },
    past() {
      const rows = database
        .prepare('SELECT authority, valid_until AS validUntil, signed FROM past_certificate')
        .all();
      return rows as unknown as readonly PastCertificate[];
    },
  };
}
