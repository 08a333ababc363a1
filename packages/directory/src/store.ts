import { DatabaseSync } from 'node:sqlite';
import {
  type Descriptor,
  descriptorDigest,
  type Listed,
  staleEpochs,
  type VerifiedDescriptor,
  verifyDescriptor,
} from '@postern/protocol/consensus';
import type { Leaf } from '@postern/protocol/log';
import { AuthorityError } from './errors.ts';

/** A descriptor that was registered. */
export interface Registered {
  readonly id: string;
  readonly descriptor: Descriptor;
  /** As it was signed. */
  readonly signed: string;
  /** `descriptorDigest` of it. */
  readonly digest: string;
}

/** A consensus that enough authorities have signed. */
export interface Issued {
  readonly epoch: number;
  /** `consensusDigest` of it. */
  readonly digest: string;
  readonly signed: string;
}

/** What was said in an agreement, as it was signed: kept for good, for whoever wants to recount. */
export interface Kept {
  readonly epoch: number;
  /** A `consensus` is kept here when an authority has signed one that was not issued. */
  readonly part: 'vote' | 'reveal' | 'consensus';
  readonly authority: string;
  readonly digest: string;
  readonly signed: string;
}

/**
 * What an authority must not forget. Every change is durable when the call returns. One process at a time: the file is
 * locked while it is open. Dispose of it to close it.
 */
export interface AuthorityStore extends Disposable {
  /** By id. */
  readonly registered: ReadonlyMap<string, Registered>;
  /** The id that a node name, or a served domain, is bound to. */
  holderOfName(name: string): string | undefined;
  holderOfDomain(domain: string): string | undefined;
  /** Adds, or replaces what the id had. */
  put(registered: Omit<Registered, 'digest'>): void;
  /** Forgets a descriptor and frees its names. */
  remove(id: string): void;
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

  /** Keeps what was said; what is kept already counts as kept again. */
  keep(said: readonly Kept[]): void;
  kept(epoch: number): readonly Kept[];

  /** Certificates of other authorities, as they were kept. */
  peerCertificates(): string | undefined;
  keepPeerCertificates(list: string): void;

  /** Descriptors as they were signed, by `descriptorDigest`: those registered, and those that votes have named of late. */
  body(digest: string): string | undefined;
  hasBody(digest: string): boolean;
  keepBodies(epoch: number, bodies: readonly { readonly digest: string; readonly signed: string }[]): void;
  /** Forgets those that were named for earlier epochs only. */
  dropBodies(beforeEpoch: number): void;

  /** Nodes that stood for a document of an epoch and are no entries of it, ascending by id; those of earlier epochs that nobody uses any more are forgotten. */
  keepRest(epoch: number, digest: string, rest: readonly Listed[]): void;
  rest(digest: string): readonly Listed[] | undefined;
}

const layout = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS descriptor (id TEXT PRIMARY KEY, signed TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS consensus (
    epoch INTEGER PRIMARY KEY, digest TEXT NOT NULL, signed TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS leaf ON consensus (epoch, digest);
  CREATE TABLE IF NOT EXISTS signed (
    epoch INTEGER PRIMARY KEY, digest TEXT NOT NULL, signed TEXT NOT NULL
  ) STRICT;
  CREATE TABLE IF NOT EXISTS said (
    epoch INTEGER NOT NULL, part TEXT NOT NULL, authority TEXT NOT NULL, digest TEXT NOT NULL, signed TEXT NOT NULL,
    PRIMARY KEY (epoch, part, authority, digest)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS body (digest TEXT PRIMARY KEY, epoch INTEGER NOT NULL, signed TEXT NOT NULL) STRICT;
  CREATE TABLE IF NOT EXISTS peer_certificates (one INTEGER PRIMARY KEY CHECK (one = 1), list TEXT NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS body_epoch ON body (epoch);
  CREATE TABLE IF NOT EXISTS rest (digest TEXT PRIMARY KEY, epoch INTEGER NOT NULL, list TEXT NOT NULL) STRICT;`;

/** Opens the database at `path`, or makes it. Throws `AuthorityError` `in-use` while another process has it open. */
export function openStore(path: string): AuthorityStore {
  const database = new DatabaseSync(path);
  try {
    database.exec(layout);
    return new SqliteStore(database);
  } catch (cause) {
    database.close();
    if (cause instanceof Error && 'errcode' in cause && cause.errcode === 5)
      throw new AuthorityError(
        'in-use',
        `${path} is in use`,
        'Another authority runs on this data directory; stop it first.',
        { cause },
      );
    throw cause;
  }
}

class SqliteStore implements AuthorityStore {
  readonly #database: DatabaseSync;
  readonly #registered = new Map<string, Registered>();
  readonly #names = new Map<string, string>();
  readonly #domains = new Map<string, string>();
  readonly #digests = new Map<string, string>();
  #latest: Issued | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
    for (const { signed } of database.prepare('SELECT signed FROM descriptor ORDER BY id').all()) {
      this.#remember(readStored(String(signed)));
    }
    this.#latest = this.#one('SELECT epoch, digest, signed FROM consensus ORDER BY epoch DESC LIMIT 1');
  }

  get registered(): ReadonlyMap<string, Registered> {
    return this.#registered;
  }

  holderOfName(name: string): string | undefined {
    return this.#names.get(name);
  }

  holderOfDomain(domain: string): string | undefined {
    return this.#domains.get(domain);
  }

  put(registered: Omit<Registered, 'digest'>): void {
    this.#database
      .prepare('INSERT INTO descriptor VALUES (?, ?) ON CONFLICT DO UPDATE SET signed = excluded.signed')
      .run(registered.id, registered.signed);
    this.#forget(registered.id);
    this.#remember({ ...registered, digest: descriptorDigest(registered.signed) });
  }

  remove(id: string): void {
    this.#database.prepare('DELETE FROM descriptor WHERE id = ?').run(id);
    this.#forget(id);
  }

  latest(): Issued | undefined {
    return this.#latest;
  }

  issued(epoch: number): Issued | undefined {
    if (epoch === this.#latest?.epoch) return this.#latest;
    return this.#one('SELECT epoch, digest, signed FROM consensus WHERE epoch = ?', epoch);
  }

  newestUpTo(epoch: number): Issued | undefined {
    return this.#one(
      'SELECT epoch, digest, signed FROM consensus WHERE epoch <= ? ORDER BY epoch DESC LIMIT 1',
      epoch,
    );
  }

  leaves(from: number): Leaf[] {
    const rows = this.#database
      .prepare('SELECT epoch, digest FROM consensus INDEXED BY leaf WHERE epoch >= ? ORDER BY epoch')
      .all(from);
    return rows.map(({ epoch, digest }) => ({ epoch: Number(epoch), digest: String(digest) }));
  }

  issue(issued: Issued): void {
    this.#database
      .prepare('INSERT INTO consensus (epoch, digest, signed) VALUES (?, ?, ?)')
      .run(issued.epoch, issued.digest, issued.signed);
    if (this.#latest === undefined || issued.epoch > this.#latest.epoch) this.#latest = issued;
  }

  amend({ epoch, digest, signed }: Issued): void {
    this.#database
      .prepare('UPDATE consensus SET signed = ? WHERE epoch = ? AND digest = ?')
      .run(signed, epoch, digest);
    if (this.#latest?.epoch === epoch && this.#latest.digest === digest)
      this.#latest = { epoch, digest, signed };
  }

  first(): Issued | undefined {
    return this.#one('SELECT epoch, digest, signed FROM consensus ORDER BY epoch LIMIT 1');
  }

  signedFor(epoch: number): Issued | undefined {
    return this.#one('SELECT epoch, digest, signed FROM signed WHERE epoch = ?', epoch);
  }

  lastSigned(): Issued | undefined {
    return this.#one('SELECT epoch, digest, signed FROM signed ORDER BY epoch DESC LIMIT 1');
  }

  sign({ epoch, digest, signed }: Issued): void {
    this.#database
      .prepare('INSERT INTO signed (epoch, digest, signed) VALUES (?, ?, ?)')
      .run(epoch, digest, signed);
  }

  spend(epoch: number): void {
    this.#database
      .prepare("INSERT INTO signed (epoch, digest, signed) VALUES (?, '', '') ON CONFLICT DO NOTHING")
      .run(epoch);
  }

  keep(said: readonly Kept[]): void {
    const insert = this.#database.prepare('INSERT INTO said VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING');
    this.#whole(() => {
      for (const { epoch, part, authority, digest, signed } of said)
        insert.run(epoch, part, authority, digest, signed);
    });
  }

  kept(epoch: number): readonly Kept[] {
    const rows = this.#database
      .prepare('SELECT epoch, part, authority, digest, signed FROM said WHERE epoch = ?')
      .all(epoch);
    return rows as unknown as readonly Kept[];
  }

  peerCertificates(): string | undefined {
    const row = this.#database.prepare('SELECT list FROM peer_certificates').get();
    return row === undefined ? undefined : String(row.list);
  }

  keepPeerCertificates(list: string): void {
    this.#database
      .prepare('INSERT INTO peer_certificates VALUES (1, ?) ON CONFLICT DO UPDATE SET list = excluded.list')
      .run(list);
  }

  body(digest: string): string | undefined {
    const id = this.#digests.get(digest);
    if (id !== undefined) return this.#registered.get(id)?.signed;
    const row = this.#database.prepare('SELECT signed FROM body WHERE digest = ?').get(digest);
    return row === undefined ? undefined : String(row.signed);
  }

  hasBody(digest: string): boolean {
    if (this.#digests.has(digest)) return true;
    return this.#database.prepare('SELECT 1 FROM body WHERE digest = ?').get(digest) !== undefined;
  }

  keepBodies(epoch: number, bodies: readonly { readonly digest: string; readonly signed: string }[]): void {
    const insert = this.#database.prepare(
      'INSERT INTO body VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET epoch = max(epoch, excluded.epoch)',
    );
    this.#whole(() => {
      for (const { digest, signed } of bodies) insert.run(digest, epoch, signed);
    });
  }

  dropBodies(beforeEpoch: number): void {
    this.#database.prepare('DELETE FROM body WHERE epoch < ?').run(beforeEpoch);
  }

  keepRest(epoch: number, digest: string, rest: readonly Listed[]): void {
    this.#whole(() => {
      this.#database.prepare('DELETE FROM rest WHERE epoch < ?').run(epoch - staleEpochs);
      this.#database
        .prepare('INSERT INTO rest VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
        .run(digest, epoch, JSON.stringify(rest));
    });
  }

  rest(digest: string): readonly Listed[] | undefined {
    const row = this.#database.prepare('SELECT list FROM rest WHERE digest = ?').get(digest);
    return row === undefined ? undefined : (JSON.parse(String(row.list)) as Listed[]);
  }

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #one(query: string, ...values: number[]): Issued | undefined {
    const row = this.#database.prepare(query).get(...values);
    return row === undefined ? undefined : readIssued(row);
  }

  /** All of it or nothing, and one wait for the disk. */
  #whole(change: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      change();
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  #remember(registered: Registered): void {
    const { id, descriptor } = registered;
    this.#digests.set(registered.digest, id);
    this.#registered.set(id, registered);
    this.#names.set(descriptor.name, id);
    for (const domain of descriptor.domains) this.#domains.set(domain, id);
  }

  #forget(id: string): void {
    const known = this.#registered.get(id);
    if (known === undefined) return;
    this.#registered.delete(id);
    this.#digests.delete(known.digest);
    this.#names.delete(known.descriptor.name);
    for (const domain of known.descriptor.domains) this.#domains.delete(domain);
  }
}

function readStored(signed: string): Registered {
  const verified: VerifiedDescriptor = verifyDescriptor(signed);
  if (verified.kind === 'descriptor')
    return { id: verified.id, descriptor: verified.descriptor, signed, digest: descriptorDigest(signed) };
  throw new AuthorityError(
    'wrong-store',
    `a stored descriptor does not hold: ${verified.detail}`,
    'The database is damaged, or was written by another version. Restore it from a backup.',
  );
}

function readIssued(row: Record<string, unknown>): Issued {
  return { epoch: Number(row.epoch), digest: String(row.digest), signed: String(row.signed) };
}
