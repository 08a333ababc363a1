import type { DatabaseSync } from 'node:sqlite';
import { type Body, insertBodies } from './bodies.ts';
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

/** Which one of those that are kept. */
export type KeptName = Omit<Kept, 'signed'>;

export type CertificateKind = 'used' | 'fetched';

/** What others have said. */
export interface SaidStore {
  /** Keeps what was said, and the descriptors that it names, all or nothing; what is kept already counts as kept again. */
  keep(said: readonly Kept[], bodies?: readonly Body[]): void;
  /** What is kept of an epoch, without what was signed, which is long, … */
  keptDigests(epoch: number): readonly KeptName[];
  /** … and that of one of them. */
  keptNote(one: KeptName): string;
  /** Of whom more than one vote, or document, is kept for an epoch from this one on, the newest first. Those votes may be of several slots. */
  saidTwice(from: number): readonly Omit<KeptName, 'digest'>[];

  /** Certificates of other authorities, as they were kept: of keys that have signed something here, and others. */
  peerCertificates(kind: CertificateKind): string | undefined;
  keepPeerCertificates(kind: CertificateKind, list: string): void;
}

export const saidLayout = `
  CREATE TABLE IF NOT EXISTS said (
    epoch INTEGER NOT NULL, part TEXT NOT NULL, authority TEXT NOT NULL, digest TEXT NOT NULL, signed TEXT NOT NULL,
    PRIMARY KEY (epoch, part, authority, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS peer_certificates (kind TEXT PRIMARY KEY, list TEXT NOT NULL) STRICT, WITHOUT ROWID;`;

export function saidIn(database: DatabaseSync): SaidStore {
  return {
    keep(said, bodies = []) {
      const insert = database.prepare('INSERT INTO said VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING');
      whole(database, () => {
        for (const { epoch, part, authority, digest, signed } of said)
          insert.run(epoch, part, authority, digest, signed);
        insertBodies(database, said[0]?.epoch ?? 0, bodies);
      });
    },
    keptDigests(epoch) {
      const rows = database
        .prepare('SELECT epoch, part, authority, digest FROM said WHERE epoch = ?')
        .all(epoch);
      return rows as unknown as readonly KeptName[];
    },
    saidTwice(from) {
      const rows = database
        .prepare(
          `SELECT epoch, part, authority FROM said WHERE epoch >= ? AND part IN ('vote', 'consensus')
          GROUP BY epoch, part, authority HAVING count(*) > 1 ORDER BY epoch DESC`,
        )
        .all(from);
      return rows as unknown as readonly Omit<KeptName, 'digest'>[];
    },
    keptNote({ epoch, part, authority, digest }) {
      const row = database
        .prepare('SELECT signed FROM said WHERE epoch = ? AND part = ? AND authority = ? AND digest = ?')
        .get(epoch, part, authority, digest);
      return String(row?.signed);
    },
    peerCertificates(kind) {
      const row = database.prepare('SELECT list FROM peer_certificates WHERE kind = ?').get(kind);
      return row === undefined ? undefined : String(row.list);
    },
    keepPeerCertificates(kind, list) {
      database
        .prepare('INSERT INTO peer_certificates VALUES (?, ?) ON CONFLICT DO UPDATE SET list = excluded.list')
        .run(kind, list);
    },
  };
}
