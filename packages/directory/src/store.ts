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

/** Opens the database at `path`, or makes it. Throws `AuthorityError` `in-use` while another process has it open. */
export function openStore(path: string): AuthorityStore {
  const database = new DatabaseSync(path);
  try {
    database.exec(layout);
    const registered = registeredIn(database);
    return {
      ...registered,
      ...consensusesIn(database),
      ...saidIn(database),
      ...bodiesIn(database, registered),
      ...restIn(database),
      ...pastIn(database),
      [Symbol.dispose]: () => database.close(),
    };
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
