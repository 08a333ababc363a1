import type { DatabaseSync } from 'node:sqlite';
import {
  type Descriptor,
  descriptorDigest,
  type VerifiedDescriptor,
  verifyDescriptor,
} from '@postern/protocol/consensus';
import { AuthorityError } from '../errors.ts';
import { whole } from './whole.ts';

/** A descriptor that was registered. */
export interface Registered {
  readonly id: string;
  readonly descriptor: Descriptor;
  /** As it was signed. */
  readonly signed: string;
  /** `descriptorDigest` of it. */
  readonly digest: string;
}

/** Descriptors of nodes, and whose each name is. */
export interface RegisteredStore {
  /** By id. */
  readonly registered: ReadonlyMap<string, Registered>;
  /** What is registered under a `descriptorDigest`. */
  byDigest(digest: string): Registered | undefined;
  /** The id that a node name, or a served domain, is bound to. */
  holderOfName(name: string): string | undefined;
  holderOfDomain(domain: string): string | undefined;
  /** Adds, or replaces what the id had. */
  put(registered: Omit<Registered, 'digest'>): void;
  /** Forgets descriptors and frees their names, all or nothing. */
  removeAll(ids: readonly string[]): void;
}

export const registeredLayout =
  'CREATE TABLE IF NOT EXISTS descriptor (id TEXT PRIMARY KEY, signed TEXT NOT NULL) STRICT, WITHOUT ROWID;';

/** All are read now and stay in memory. Throws `AuthorityError` `wrong-store`. */
export function registeredIn(database: DatabaseSync): RegisteredStore {
  const registered = new Map<string, Registered>();
  const [names, domains, digests] = [
    new Map<string, string>(),
    new Map<string, string>(),
    new Map<string, string>(),
  ];
  const remember = (one: Registered): void => {
    const { id, digest, descriptor } = one;
    digests.set(digest, id);
    registered.set(id, one);
    names.set(descriptor.name, id);
    for (const domain of descriptor.domains) domains.set(domain, id);
  };
  const forget = (id: string): void => {
    const known = registered.get(id);
    if (known === undefined) return;
    registered.delete(id);
    digests.delete(known.digest);
    names.delete(known.descriptor.name);
    for (const domain of known.descriptor.domains) domains.delete(domain);
  };
  for (const { signed } of database.prepare('SELECT signed FROM descriptor ORDER BY id').all())
    remember(readStored(String(signed)));
  return {
    registered,
    holderOfName: (name) => names.get(name),
    holderOfDomain: (domain) => domains.get(domain),
    byDigest: (digest) => registered.get(digests.get(digest) ?? ''),
    put(one) {
      database
        .prepare('INSERT INTO descriptor VALUES (?, ?) ON CONFLICT DO UPDATE SET signed = excluded.signed')
        .run(one.id, one.signed);
      forget(one.id);
      remember({ ...one, digest: descriptorDigest(one.signed) });
    },
    removeAll(ids) {
      if (ids.length === 0) return;
      const remove = database.prepare('DELETE FROM descriptor WHERE id = ?');
      whole(database, () => {
        for (const id of ids) remove.run(id);
      });
      for (const id of ids) forget(id);
    },
  };
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
