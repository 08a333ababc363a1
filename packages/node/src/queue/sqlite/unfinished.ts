import type { Fragment } from '@postern/protocol/envelope';
import type { SpoolId } from '../../spool.ts';
import { type Store, toBlob } from './store.ts';

/**
 * Keeps sets that lack fragments within a bound: anybody can begin one and never end it. When there are too many, chance picks
 * those that go: an author's are complete within minutes, so nearly all that lie there for longer are of people who fill a gateway up.
 */
export interface UnfinishedSets {
  /** A fragment has been stored in a set that lacked some, and has completed it or not. */
  grown(fragment: Fragment, completed: boolean, lot: SpoolId): void;
  /** The set is about to be removed. */
  dropped(id: SpoolId): void;
}

export function unfinishedSets(store: Store, mostBytes: number): UnfinishedSets {
  const { db } = store;
  const sum = db.prepare(
    'SELECT sum(length(data)) AS n FROM fragments JOIN sets ON sets.id = set_id WHERE state = 0',
  );
  const size = db.prepare('SELECT sum(length(data)) AS n FROM fragments WHERE set_id = ?');
  const others = db.prepare('SELECT count(*) AS n FROM sets WHERE state = 0 AND id <> ?');
  const nth = db.prepare('SELECT id FROM sets WHERE state = 0 AND id <> ? LIMIT 1 OFFSET ?');
  const clear = db.prepare('DELETE FROM fragments WHERE set_id = ?');
  const remove = db.prepare('DELETE FROM sets WHERE id = ?');
  let bytes = 0;
  const reload = (): void => {
    bytes = Number(sum.get()?.n ?? 0);
  };
  reload();
  store.afterRollback(reload);
  const bytesOf = (id: Uint8Array): number => Number(size.get(id)?.n ?? 0);

  const makeRoom = (keep: Uint8Array, lot: SpoolId): void => {
    let left = Number(others.get(keep)?.n);
    for (let at = Number.parseInt(lot.slice(-12), 16); bytes > mostBytes && left > 0; left--) {
      const victim = nth.get(keep, at % left)?.id as Uint8Array;
      bytes -= bytesOf(victim);
      clear.run(victim);
      remove.run(victim);
    }
  };

  return {
    grown({ setId, data }, completed, lot) {
      if (completed) {
        bytes -= bytesOf(setId) - data.length;
        return;
      }
      bytes += data.length;
      makeRoom(setId, lot);
    },
    dropped(id) {
      bytes -= bytesOf(toBlob(id));
    },
  };
}
