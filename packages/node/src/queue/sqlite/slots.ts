import { randomInt } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import type { Store } from './store.ts';

/**
 * Where the bytes of inputs and relays lie: rows of one size, made ahead, taken at random and overwritten in place. SQLite gives
 * out pages in an order that follows that of insertion, and a packet's place in the file would tell when it came.
 */
export interface SlotTable {
  /**
   * Puts bytes into a free slot, which chance alone says: by anything that is stored beside its number one could find out how many were
   * free then, and so what came before what.
   */
  readonly put: (bytes: Uint8Array) => number;
  readonly read: (slot: number) => Uint8Array;
  /** Gives a slot back once that is committed; its content stays until it is overwritten, by another's or by `overwrite`. */
  readonly release: (slot: number) => void;
  /** Overwrites up to `limit` slots whose content was given back, and says how many. */
  readonly overwrite: (limit: number) => number;
  /** Bytes of the slots that are free. */
  readonly freeBytes: () => number;
  /** Bytes that putting so many units in would add to the database. */
  readonly growthBytes: (units: number) => number;
}

/** Slots made at one time: as many as there are, within these bounds. */
const growth = { least: 128, most: 1_024 };
/** With fewer free ones the choice would say too much. */
const leastFree = 32;

export function slotTable(store: Store, unitBytes: number): SlotTable {
  const { db } = store;
  const make = db.prepare('INSERT INTO slots (slot, bytes) VALUES (?, zeroblob(?))');
  const write = db.prepare('UPDATE slots SET bytes = ? WHERE slot = ?');
  const blank = db.prepare('UPDATE slots SET bytes = zeroblob(length(bytes)) WHERE slot = ?');
  const read = db.prepare('SELECT bytes FROM slots WHERE slot = ?');
  const last = db.prepare('SELECT max(slot) AS slot FROM slots');
  const wear = db.prepare('INSERT INTO worn (slot) VALUES (?)');
  const mend = db.prepare('DELETE FROM worn WHERE slot = ?');
  const worn = db.prepare('SELECT slot FROM worn LIMIT ?');
  let total = Number(last.get()?.slot ?? -1) + 1;
  let free = freeSlots(db, total);
  /** By the transaction at hand. */
  let taken: number[] = [];
  let totalBefore = total;

  const committed = (): void => {
    taken = [];
    totalBefore = total;
  };
  const step = (): number => Math.min(growth.most, Math.max(growth.least, total));
  const grow = (): void => {
    const more = step();
    for (let made = 0; made < more; made++) {
      make.run(total, unitBytes);
      free.push(total++);
    }
  };
  store.afterRollback(() => {
    // Those that were made have gone again.
    free = [...free, ...taken].filter((slot) => slot < totalBefore);
    total = totalBefore;
    taken = [];
  });

  return {
    put(bytes) {
      if (free.length < leastFree) grow();
      const at = randomInt(free.length);
      const slot = free[at] as number;
      free[at] = free.at(-1) as number;
      free.pop();
      taken.push(slot);
      store.afterCommit(committed);
      write.run(bytes, slot);
      mend.run(slot);
      return slot;
    },
    read: (slot) => read.get(slot)?.bytes as Uint8Array,
    release(slot) {
      wear.run(slot);
      store.afterCommit(() => free.push(slot));
    },
    overwrite(limit) {
      const slots = worn.all(limit).map(({ slot }) => Number(slot));
      for (const slot of slots) {
        blank.run(slot);
        mend.run(slot);
      }
      return slots.length;
    },
    freeBytes: () => free.length * unitBytes,
    growthBytes: (units) => (free.length - units < leastFree ? step() * unitBytes : 0),
  };
}

/** Of the slots 0 up to `total`; the used ones are read one by one, since there may be hundreds of thousands. */
function freeSlots(db: DatabaseSync, total: number): number[] {
  const used = new Uint8Array(total);
  const rows = db.prepare('SELECT slot FROM inputs UNION ALL SELECT slot FROM relays');
  for (const { slot } of rows.iterate()) used[Number(slot)] = 1;
  const free: number[] = [];
  for (const [slot, isUsed] of used.entries()) if (isUsed === 0) free.push(slot);
  return free;
}
