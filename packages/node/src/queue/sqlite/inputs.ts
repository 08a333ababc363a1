import type { Input, SpoolId, UnitKind } from '../../spool.ts';
import { type Store, toBlob, toId } from './store.ts';

const kinds: Readonly<Record<UnitKind, number>> = { packet: 0, exit: 1 };

export interface InputTable {
  readonly insert: (id: SpoolId, kind: UnitKind, bytes: Uint8Array) => void;
  readonly claim: (kind: UnitKind, limit: number, from: SpoolId) => Input[];
  /** Removes an input; false when it has gone. */
  readonly remove: (id: SpoolId) => boolean;
  readonly count: () => number;
}

export function inputTable(store: Store): InputTable {
  const { db, claims } = store;
  const insert = db.prepare('INSERT INTO inputs (kind, id, bytes) VALUES (?, ?, ?)');
  const upwards = db.prepare('SELECT id FROM inputs WHERE kind = ? AND id >= ? ORDER BY id');
  const around = db.prepare('SELECT id FROM inputs WHERE kind = ? AND id < ? ORDER BY id');
  const read = db.prepare('SELECT bytes FROM inputs WHERE kind = ? AND id = ?');
  const remove = db.prepare('DELETE FROM inputs WHERE kind = ? AND id = ?');
  const count = db.prepare('SELECT count(*) AS n FROM inputs');

  return {
    insert: (id, kind, bytes) => void insert.run(kinds[kind], toBlob(id), bytes),

    /** From a random id upwards and around: keys are random, so this is a random order that starves nobody. */
    claim(kind, limit, from) {
      const ids: SpoolId[] = [];
      for (const query of [upwards, around]) {
        for (const row of query.iterate(kinds[kind], toBlob(from))) {
          if (ids.length >= limit) break;
          const id = toId(row.id);
          if (!claims.held(id, store.now)) ids.push(id);
        }
      }
      return ids.map((id) => {
        claims.take(id, store.now);
        return { id, kind, bytes: read.get(kinds[kind], toBlob(id))?.bytes as Uint8Array };
      });
    },

    remove(id) {
      store.afterCommit(() => claims.free(id));
      return Object.values(kinds).some((kind) => remove.run(kind, toBlob(id)).changes === 1);
    },

    count: () => Number(count.get()?.n),
  };
}
