import { DatabaseSync } from 'node:sqlite';
import { type Descriptor, type VerifiedDescriptor, verifyDescriptor } from '@postern/protocol/consensus';
import type { Leaf } from '@postern/protocol/log';
import { AuthorityError } from './errors.ts';

/** A descriptor that was registered. */
export interface Registered {
  readonly id: string;
  readonly descriptor: Descriptor;
  /** As it was signed. */
  readonly signed: string;
}

/** A consensus that this authority has signed. */
export interface Issued {
  readonly epoch: number;
  /** `consensusDigest` of it. */
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
  put(registered: Registered): void;
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
}

const layout = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  CREATE TABLE IF NOT EXISTS descriptor (id TEXT PRIMARY KEY, signed TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS consensus (
    epoch INTEGER PRIMARY KEY, digest TEXT NOT NULL, signed TEXT NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS leaf ON consensus (epoch, digest);`;

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
  #latest: Issued | undefined;

  constructor(database: DatabaseSync) {
    this.#database = database;
    for (const { signed } of database.prepare('SELECT signed FROM descriptor ORDER BY id').all()) {
      this.#remember(readStored(String(signed)));
    }
    const newest = database
      .prepare('SELECT epoch, digest, signed FROM consensus ORDER BY epoch DESC LIMIT 1')
      .get();
    this.#latest = newest === undefined ? undefined : readIssued(newest);
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

  put(registered: Registered): void {
    this.#database
      .prepare('INSERT INTO descriptor VALUES (?, ?) ON CONFLICT DO UPDATE SET signed = excluded.signed')
      .run(registered.id, registered.signed);
    this.#forget(registered.id);
    this.#remember(registered);
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
    const row = this.#database
      .prepare('SELECT epoch, digest, signed FROM consensus WHERE epoch = ?')
      .get(epoch);
    return row === undefined ? undefined : readIssued(row);
  }

  newestUpTo(epoch: number): Issued | undefined {
    const row = this.#database
      .prepare('SELECT epoch, digest, signed FROM consensus WHERE epoch <= ? ORDER BY epoch DESC LIMIT 1')
      .get(epoch);
    return row === undefined ? undefined : readIssued(row);
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

  [Symbol.dispose](): void {
    this.#database.close();
  }

  #remember(registered: Registered): void {
    const { id, descriptor } = registered;
    this.#registered.set(id, registered);
    this.#names.set(descriptor.name, id);
    for (const domain of descriptor.domains) this.#domains.set(domain, id);
  }

  #forget(id: string): void {
    const known = this.#registered.get(id);
    if (known === undefined) return;
    this.#registered.delete(id);
    this.#names.delete(known.descriptor.name);
    for (const domain of known.descriptor.domains) this.#domains.delete(domain);
  }
}

function readStored(signed: string): Registered {
  const verified: VerifiedDescriptor = verifyDescriptor(signed);
  if (verified.kind === 'descriptor') return { id: verified.id, descriptor: verified.descriptor, signed };
  throw new AuthorityError(
    'wrong-store',
    `a stored descriptor does not hold: ${verified.detail}`,
    'The database is damaged, or was written by another version. Restore it from a backup.',
  );
}

function readIssued(row: Record<string, unknown>): Issued {
  return { epoch: Number(row.epoch), digest: String(row.digest), signed: String(row.signed) };
}
