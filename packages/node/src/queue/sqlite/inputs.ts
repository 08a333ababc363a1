import type { Input, SpoolId, Unit, UnitKind } from '../../spool.ts';
import type { SlotTable } from './slots.ts';
import { type Store, toBlob, toId } from './store.ts';

const kinds: Readonly<Record<UnitKind, number>> = { packet: 0, exit: 1 };
/** An exit that was deferred: a kind of its own, so that nobody who claims has to pass over it. */
const deferred = 2;
const allKinds = [...Object.values(kinds), deferred];

export interface InputTable {
  readonly insert: (id: SpoolId, unit: Unit) => void;
  readonly claim: (kind: UnitKind, limit: number, from: SpoolId) => Input[];
  /** Removes an input; false when it has gone. */
  readonly remove: (id: SpoolId) => boolean;
  /** Sets a claimed exit apart; false when it has gone. */
  readonly defer: (id: SpoolId) => boolean;
  /** Makes exits of up to `limit` deferred ones again; gives how many there were. */
  readonly resume: (limit: number) => number;
  readonly count: () => number;
}

export function inputTable(store: Store, slots: SlotTable): InputTable {
  const { db, claims } = store;
  const insert = db.prepare('INSERT INTO inputs (kind, id, slot, attested) VALUES (?, ?, ?, ?)');
  const upwards = db.prepare('SELECT id FROM inputs WHERE kind = ? AND id >= ? ORDER BY id');
  const around = db.prepare('SELECT id FROM inputs WHERE kind = ? AND id < ? ORDER BY id');
  const find = db.prepare('SELECT slot, attested FROM inputs WHERE kind = ? AND id = ?');
  const remove = db.prepare('DELETE FROM inputs WHERE kind = ? AND id = ?');
  const move = db.prepare('UPDATE inputs SET kind = ? WHERE kind = ? AND id = ?');
  const moveSome = db.prepare(
    'UPDATE inputs SET kind = ? WHERE (kind, id) IN (SELECT kind, id FROM inputs WHERE kind = ? LIMIT ?)',
  );
  const count = db.prepare('SELECT count(*) AS n FROM inputs');

  return {
    insert: (id, { kind, bytes, attested = null }) =>
      void insert.run(kinds[kind], toBlob(id), slots.put(bytes), attested),

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
        const row = find.get(kinds[kind], toBlob(id));
        const bytes = slots.read(Number(row?.slot));
        return { id, kind, bytes, ...(row?.attested ? { attested: String(row.attested) } : {}) };
      });
    },

    remove(id) {
      store.afterCommit(() => claims.free(id));
      return allKinds.some((kind) => {
        const row = find.get(kind, toBlob(id));
        if (row === undefined) return false;
        slots.release(Number(row.slot));
        return remove.run(kind, toBlob(id)).changes === 1;
      });
    },

    defer(id) {
      store.afterCommit(() => claims.free(id));
      return move.run(deferred, kinds.exit, toBlob(id)).changes === 1;
    },

    resume: (limit) => Number(moveSome.run(kinds.exit, deferred, limit).changes),

    count: () => Number(count.get()?.n),
  };
}
