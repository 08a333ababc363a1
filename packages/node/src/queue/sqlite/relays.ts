import type { StatementSync } from 'node:sqlite';
import {
  dueGridMs,
  onGrid,
  type Relay,
  relayExpiresGridMs,
  type SpoolId,
  setExpiresGridMs,
  type Token,
  type Waiting,
} from '../../spool.ts';
import { formatNext, parseNext } from '../next.ts';
import type { SlotTable } from './slots.ts';
import { type Store, toBlob, toId } from './store.ts';

export interface RelayTable {
  /** Stores a relay that anybody may claim. */
  readonly insert: (id: SpoolId, relay: Relay, token?: Token) => void;
  /** Stores a relay and claims it once that is durable. */
  readonly insertClaimed: (id: SpoolId, relay: Relay) => Waiting;
  readonly claim: (limit: number) => Waiting[];
  readonly read: (id: SpoolId) => Uint8Array | undefined;
  readonly finish: (id: SpoolId) => void;
  readonly retry: (id: SpoolId, dueMs: number) => void;
  readonly postpone: (id: SpoolId, dueMs: number) => void;
  readonly nextDue: () => number | undefined;
  /** To be called when claims have been given up. */
  readonly lookAnew: () => void;
  /** Removes up to `limit` expired relays of nobody here that nobody has claimed, and says how many. */
  readonly expire: (limit: number) => number;
  readonly count: () => number;
}

/** A row, in the order of `due` and `id`. */
interface Place {
  readonly due: number;
  readonly id: Uint8Array;
  /** When the first claim on a row up to this one ends. */
  readonly untilMs: number;
}

const beginning: Place = { due: -1, id: new Uint8Array(), untilMs: Number.POSITIVE_INFINITY };

export function relayTable(store: Store, slots: SlotTable): RelayTable {
  const { db, claims } = store;
  const insert = db.prepare(
    'INSERT INTO relays (id, next, due, expires, attempts, slot, token) VALUES (?, ?, ?, ?, 0, ?, ?)',
  );
  const due = db.prepare(
    'SELECT id, next, due, expires, attempts, token FROM relays WHERE (due, id) > (?, ?) AND due <= ? ORDER BY due, id',
  );
  const first = db.prepare('SELECT id, due FROM relays WHERE (due, id) > (?, ?) ORDER BY due, id');
  const find = db.prepare('SELECT slot FROM relays WHERE id = ?');
  const remove = db.prepare('DELETE FROM relays WHERE id = ?');
  const retry = db.prepare('UPDATE relays SET due = ?, attempts = attempts + 1 WHERE id = ?');
  const postpone = db.prepare('UPDATE relays SET due = ? WHERE id = ?');
  const expired = db.prepare('SELECT id FROM relays WHERE expires <= ? AND token IS NULL');
  const count = db.prepare('SELECT count(*) AS n FROM relays');

  /** All rows up to here, in the order in which they are claimed, are claimed: thousands may be, and need not be looked at for each one after them. */
  let claimed: Place = beginning;
  const lookAnew = (): void => {
    claimed = beginning;
  };
  /** Where to begin. */
  const begin = (): Place => {
    if (store.now >= claimed.untilMs) lookAnew();
    return claimed;
  };
  /** Somebody may claim what is due then. */
  const free = (due: number): void => {
    if (due <= claimed.due) lookAnew();
  };

  const dueAgain =
    (update: StatementSync) =>
    (id: SpoolId, dueMs: number): void => {
      const due = onGrid(dueMs, dueGridMs);
      update.run(due, toBlob(id));
      store.afterCommit(() => {
        claims.free(id);
        free(due);
      });
    };

  const drop = (id: SpoolId): void => {
    const row = find.get(toBlob(id));
    if (row === undefined) return;
    slots.release(Number(row.slot));
    remove.run(toBlob(id));
  };

  /** Says when it is due, on the grid. */
  const put = (id: SpoolId, { next, dueMs, expiresMs, bytes }: Relay, token?: Token): number => {
    // An author's own gateway may know the hour in which they sent it, and whoever hears of a delay wants to hear of it in time.
    const grid = token === undefined ? relayExpiresGridMs : setExpiresGridMs;
    const [due, expires] = [token === undefined ? onGrid(dueMs, dueGridMs) : 0, onGrid(expiresMs, grid)];
    const owner = token === undefined ? null : toBlob(token);
    insert.run(toBlob(id), formatNext(next), due, expires, slots.put(bytes), owner);
    return due;
  };

  return {
    insert: (id, relay, token) => free(put(id, relay, token)),

    insertClaimed(id, relay) {
      const { next, dueMs, expiresMs } = relay;
      const due = put(id, relay);
      store.afterCommit(() => {
        claims.take(id, store.now, dueMs);
        if (due <= claimed.due)
          claimed = { ...claimed, untilMs: Math.min(claimed.untilMs, claims.endOf(id)) };
      });
      return { id, next, dueMs, expiresMs: onGrid(expiresMs, relayExpiresGridMs), attempts: 0 };
    },

    claim(limit) {
      const rows: Waiting[] = [];
      const from = begin();
      let { untilMs } = from;
      for (const row of due.iterate(from.due, from.id, store.now)) {
        if (rows.length >= limit) break;
        const id = toId(row.id);
        if (!claims.held(id, store.now)) {
          rows.push(waitingFrom(id, row));
          claims.take(id, store.now);
        }
        untilMs = Math.min(untilMs, claims.endOf(id));
        claimed = { due: Number(row.due), id: row.id as Uint8Array, untilMs };
      }
      return rows;
    },

    read(id) {
      const row = find.get(toBlob(id));
      return row === undefined ? undefined : slots.read(Number(row.slot));
    },

    finish(id) {
      drop(id);
      store.afterCommit(() => claims.free(id));
    },

    retry: dueAgain(retry),
    postpone: dueAgain(postpone),
    lookAnew,

    nextDue() {
      const from = begin();
      for (const row of first.iterate(from.due, from.id)) {
        if (!claims.held(toId(row.id), store.now)) return Number(row.due);
      }
      return undefined;
    },

    expire(limit) {
      const ids: SpoolId[] = [];
      for (const row of expired.iterate(store.now)) {
        if (ids.length >= limit) break;
        const id = toId(row.id);
        if (!claims.held(id, store.now)) ids.push(id);
      }
      for (const id of ids) drop(id);
      return ids.length;
    },

    count: () => Number(count.get()?.n),
  };
}

function waitingFrom(id: SpoolId, row: Record<string, unknown>): Waiting {
  return {
    id,
    next: parseNext(String(row.next)),
    dueMs: Number(row.due),
    expiresMs: Number(row.expires),
    attempts: Number(row.attempts),
    ...(row.token ? { token: toId(row.token) } : {}),
  };
}
