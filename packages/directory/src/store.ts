import { DatabaseSync } from 'node:sqlite';
import { AuthorityError } from './errors.ts';
import { type BodyStore, bodiesIn, bodyLayout } from './store/bodies.ts';
import { type ConsensusStore, consensusesIn, consensusLayout } from './store/consensuses.ts';
import { type PastStore, pastIn, pastLayout } from './store/past.ts';
import { type RegisteredStore, registeredIn, registeredLayout } from './store/registered.ts';
import { type RestStore, restIn, restLayout } from './store/rest.ts';
import { type SaidStore, saidIn, saidLayout } from './store/said.ts';

export type { Issued } from './store/consensuses.ts';
export type { Kept, KeptName } from './store/said.ts';

/**
 * What an authority must not forget. Every change is durable when the call returns. One process at a time: the file is
 * locked while it is open. Dispose of it to close it.
 */
export interface AuthorityStore
  extends RegisteredStore,
    ConsensusStore,
    SaidStore,
    BodyStore,
    RestStore,
    PastStore,
    Disposable {}

const layout = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  ${[registeredLayout, consensusLayout, saidLayout, bodyLayout, restLayout, pastLayout].join('')}`;

/** Opens the database at `path`, or makes it. Throws `AuthorityError`: `in-use` while another process has it open, `wrong-store` when it is damaged, `store-io`. */
export function openStore(path: string): AuthorityStore {
  let database: DatabaseSync | undefined;
  try {
    database = new DatabaseSync(path);
    database.exec(layout);
    const registered = registeredIn(database);
    return {
      ...registered,
      ...consensusesIn(database),
      ...saidIn(database),
      ...bodiesIn(database, registered),
      ...restIn(database),
      ...pastIn(database),
      [Symbol.dispose]: () => database?.close(),
    };
  } catch (cause) {
    database?.close();
    throw faultOf(path, cause);
  }
}

/** https://sqlite.org/rescode.html */
const [busy, corrupt, noDatabase] = [5, 11, 26];

function faultOf(path: string, cause: unknown): unknown {
  if (!(cause instanceof Error && 'errcode' in cause)) return cause;
  const code = Number(cause.errcode) & 0xff;
  if (code === busy)
    return new AuthorityError(
      'in-use',
      `${path} is in use`,
      'Another authority runs on this data directory; stop it first.',
      { cause },
    );
  if (code === corrupt || code === noDatabase)
    return new AuthorityError(
      'wrong-store',
      `${path} is damaged: ${cause.message}`,
      `Where there are other authorities, move it away, with ${path}-wal and ${path}-shm if they are there, and start anew: they have it all. The only one restores it from a disk that mirrors this one: without it, it begins another history, and the network is over (docs/authority.md, The keys).`,
      { cause },
    );
  return new AuthorityError(
    'store-io',
    `${path} cannot be used: ${cause.message}`,
    'See that it is a file which the authority’s user may write to, in a folder where that user may make others, and that the disk has room.',
    { cause },
  );
}
