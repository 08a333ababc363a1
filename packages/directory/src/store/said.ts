import type { DatabaseSync } from 'node:sqlite';
import { whole } from './whole.ts';

/** What was said in an agreement, as it was signed: kept for good, for whoever wants to recount. */
export interface Kept {
  readonly epoch: number;
  /** A `consensus` is kept here when an authority has signed one that was not issued. */
  readonly part: 'vote' | 'reveal' | 'consensus';
  readonly authority: string;
  readonly digest: string;
  readonly signed: string;
}

/** What others have said. */
export interface SaidStore {
  /** Keeps what was said; what is kept already counts as kept again. */
  keep(said: readonly Kept[]): void;
  kept(epoch: number): readonly Kept[];

  /** Certificates of other authorities, as they were kept. */
  peerCertificates(): string | undefined;
  keepPeerCertificates(list: string): void;
}

export const saidLayout = `
  CREATE TABLE IF NOT EXISTS said (
    epoch INTEGER NOT NULL, part TEXT NOT NULL, authority TEXT NOT NULL, digest TEXT NOT NULL, signed TEXT NOT NULL,
    PRIMARY KEY (epoch, part, authority, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS peer_certificates (one INTEGER PRIMARY KEY CHECK (one = 1), list TEXT NOT NULL) STRICT;`;

export function saidIn(database: DatabaseSync): SaidStore {
  return {
    keep(said) {
      const insert = database.prepare('INSERT INTO said VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING');
      whole(database, () => {
        for (const { epoch, part, authority, digest, signed } of said)
          insert.run(epoch, part, authority, digest, signed);
      });
    },
    kept(epoch) {
      const rows = database
        .prepare('SELECT epoch, part, authority, digest, signed FROM said WHERE epoch = ?')
        .all(epoch);
      return rows as unknown as readonly Kept[];
    },
    peerCertificates() {
      const row = database.prepare('SELECT list FROM peer_certificates').get();
      return row === undefined ? undefined : String(row.list);
    },
    keepPeerCertificates(list) {
      database
        .prepare('INSERT INTO peer_certificates VALUES (1, ?) ON CONFLICT DO UPDATE SET list = excluded.list')
        .run(list);
    },
  };
}
