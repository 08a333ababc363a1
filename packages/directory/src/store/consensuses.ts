import type { DatabaseSync } from 'node:sqlite';
import type { Leaf } from '@postern/protocol/log';

/** A consensus that enough authorities have signed. */
export interface Issued {
  readonly epoch: number;
  /** `consensusDigest` of it. */
  readonly digest: string;
  readonly signed: string;
}

/** What was issued, and what this authority itself has signed. */
export interface ConsensusStore {
  /** The issued consensus of the highest epoch. */
  latest(): Issued | undefined;
  issued(epoch: number): Issued | undefined;
  /** The issued consensus of the highest epoch that is not above this one. */
  newestUpTo(epoch: number): Issued | undefined;
  /** What the log has of each issued consensus of an epoch from this one on, in order. */
  leaves(from: number): Leaf[];
  /** Throws when a consensus of that epoch has been issued before: there is one at most, for good. */
  issue(issued: Issued): void;
  /** Puts a note with more signatures in the place of one that was issued. */
  amend(issued: Issued): void;
  /** The issued consensus of the lowest epoch. */
  first(): Issued | undefined;

  /** What this authority has signed for an epoch, whether it was issued or not. */
  signedFor(epoch: number): Issued | undefined;
  /** What it has signed for the highest epoch. */
  lastSigned(): Issued | undefined;
  /** Throws when it has signed for that epoch before: it signs one document at most, for good. */
  sign(issued: Issued): void;
  /** It signs nothing for that epoch any more: it has done so before, as others know, and the store does not. */
  spend(epoch: number): void;
}

export const consensusLayout = `
  CREATE TABLE IF NOT EXISTS consensus (
    epoch INTEGER PRIMARY KEY, digest TEXT NOT NULL, signed TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS leaf ON consensus (epoch, digest);
  CREATE TABLE IF NOT EXISTS signed (
    epoch INTEGER PRIMARY KEY, digest TEXT NOT NULL, signed TEXT NOT NULL
  ) STRICT;`;

/** The newest stays in memory. */
export function consensusesIn(database: DatabaseSync): ConsensusStore {
  const one = (query: string, ...values: number[]): Issued | undefined => {
    const row = database.prepare(query).get(...values);
    return row === undefined ? undefined : readIssued(row);
  };
  const from = (table: 'consensus' | 'signed', rest: string): string =>
    `SELECT epoch, digest, signed FROM ${table} ${rest}`;
  let latest = one(from('consensus', 'ORDER BY epoch DESC LIMIT 1'));
  return {
    latest: () => latest,
    issued: (epoch) => (epoch === latest?.epoch ? latest : one(from('consensus', 'WHERE epoch = ?'), epoch)),
    newestUpTo: (epoch) => one(from('consensus', 'WHERE epoch <= ? ORDER BY epoch DESC LIMIT 1'), epoch),
    first: () => one(from('consensus', 'ORDER BY epoch LIMIT 1')),
    leaves: (first) =>
      database
        .prepare('SELECT epoch, digest FROM consensus INDEXED BY leaf WHERE epoch >= ? ORDER BY epoch')
        .all(first)
        .map(({ epoch, digest }) => ({ epoch: Number(epoch), digest: String(digest) })),
    issue(issued) {
      database
        .prepare('INSERT INTO consensus (epoch, digest, signed) VALUES (?, ?, ?)')
        .run(issued.epoch, issued.digest, issued.signed);
      if (latest === undefined || issued.epoch > latest.epoch) latest = issued;
    },
    amend({ epoch, digest, signed }) {
      database
        .prepare('UPDATE consensus SET signed = ? WHERE epoch = ? AND digest = ?')
        .run(signed, epoch, digest);
      if (latest?.epoch === epoch && latest.digest === digest) latest = { epoch, digest, signed };
    },
    signedFor: (epoch) => one(from('signed', 'WHERE epoch = ?'), epoch),
    lastSigned: () => one(from('signed', 'ORDER BY epoch DESC LIMIT 1')),
    sign({ epoch, digest, signed }) {
      database
        .prepare('INSERT INTO signed (epoch, digest, signed) VALUES (?, ?, ?)')
        .run(epoch, digest, signed);
    },
    spend(epoch) {
      database
        .prepare("INSERT INTO signed (epoch, digest, signed) VALUES (?, '', '') ON CONFLICT DO NOTHING")
        .run(epoch);
    },
  };
}

function readIssued(row: Record<string, unknown>): Issued {
  return { epoch: Number(row.epoch), digest: String(row.digest), signed: String(row.signed) };
}
