import type { DatabaseSync } from 'node:sqlite';
import type { Journal } from './durable.ts';
import { type Told, tellFault } from './faults.ts';
import { mustLast, type Operations, taking, writes } from './operations.ts';
import type { Store } from './store.ts';

/** One call of an operation, as it crosses to the thread. */
export interface Request {
  readonly number: number;
  /** Milliseconds, on the caller's clock. */
  readonly now: number;
  readonly name: keyof Operations;
  readonly arguments: readonly unknown[];
}

export type Reply =
  | { readonly number: number; readonly result: unknown }
  | { readonly number: number; readonly error: Told };

export interface Committer {
  /** Answers every request; those that write only once they are durable. */
  answer(requests: readonly Request[]): Reply[];
}

/** What else belongs to a transaction. */
export interface Hooks {
  /** Throws `NodeError` `spool-full` when nothing more may be accepted. Asked before each group. */
  readonly assertRoom: () => void;
  /** Run and forgotten when the transaction at hand is durable; forgotten when it is rolled back. */
  readonly effects: (() => void)[];
  /** Where transactions go before they are in the database. */
  readonly journal: Journal;
  /** Run after every transaction that was rolled back. */
  readonly undoings: readonly (() => void)[];
}

/**
 * Group commit: requests gathered while the last commit ran share the next transaction and its one sync. A group of which nothing must
 * outlast a crash of the machine is written without a sync, and is on disk with the next one that has it. A group that fails is undone
 * whole and tried again one by one, so that only the guilty one is refused; while the journal is in doubt, and cannot be mended, all are.
 */
export function createCommitter(
  db: DatabaseSync,
  store: Store,
  run: Operations,
  { assertRoom, effects, journal, undoings }: Hooks,
): Committer {
  const call = ({ name, now, arguments: given }: Request): unknown => {
    store.now = now;
    return (run[name] as (...values: readonly unknown[]) => unknown)(...given);
  };

  let synced = true;
  /** Whether transactions from now on are synced before their commit returns. */
  const sync = (wanted: boolean): void => {
    if (wanted === synced) return;
    db.exec(`PRAGMA synchronous = ${wanted ? 'FULL' : 'NORMAL'}`);
    synced = wanted;
  };

  const commit = (group: readonly Request[]): Reply[] => {
    if (group.length === 0) return [];
    try {
      journal.mend();
    } catch (error) {
      return group.map(({ number }) => refusal(number, error));
    }
    try {
      sync(group.some(mustLast));
      db.exec('BEGIN IMMEDIATE');
      const replies = group.map((request) => ({ number: request.number, result: call(request) }));
      db.exec('COMMIT');
      if (!synced) journal.wrote();
      for (const effect of effects.splice(0)) effect();
      return replies;
    } catch (error) {
      effects.length = 0;
      if (db.isTransaction) db.exec('ROLLBACK');
      for (const undone of undoings) undone();
      journal.failed(error);
      if (group.length > 1) return group.flatMap((request) => commit([request]));
      return group.map(({ number }) => refusal(number, error));
    }
  };

  const ask = (request: Request): Reply => {
    try {
      return { number: request.number, result: call(request) };
    } catch (error) {
      return refusal(request.number, error);
    }
  };

  /** Why no unit may be accepted now. */
  const fullness = (): unknown => {
    try {
      assertRoom();
      return undefined;
    } catch (error) {
      return error;
    }
  };

  return {
    answer(requests) {
      const takes = requests.filter(({ name }) => taking.has(name));
      const full = takes.length === 0 ? undefined : fullness();
      const refused = full === undefined ? [] : takes.map(({ number }) => refusal(number, full));
      const written = commit(
        requests.filter(({ name }) => writes.has(name) && (full === undefined || !taking.has(name))),
      );
      return [...refused, ...written, ...requests.filter(({ name }) => !writes.has(name)).map(ask)];
    },
  };
}

function refusal(number: number, error: unknown): Reply {
  return { number, error: tellFault(error) };
}
