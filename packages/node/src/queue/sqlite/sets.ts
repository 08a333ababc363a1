import type { Fragment } from '@postern/protocol/envelope';
import {
  type Complete,
  dueGridMs,
  type ExpiredSet,
  onGrid,
  type SpoolId,
  setExpiresGridMs,
} from '../../spool.ts';
import { type Store, toBlob, toId } from './store.ts';
import { unfinishedSets } from './unfinished.ts';

const state = { open: 0, complete: 1, over: 2 } as const;

export type Added =
  | { readonly kind: 'stored' }
  | { readonly kind: 'complete'; readonly complete: Complete }
  | { readonly kind: 'duplicate' };

export interface SetTable {
  /** Stores a fragment of a set, and claims the set once that is durable and has made it complete. `lot` is random. */
  readonly add: (fragment: Fragment, lot: SpoolId) => Added;
  readonly claim: (limit: number) => Complete[];
  readonly claimExpired: (limit: number) => ExpiredSet[];
  readonly returnInfo: (id: SpoolId) => Fragment | undefined;
  readonly read: (id: SpoolId) => Fragment[] | undefined;
  /** Removes the fragments; the id stays until the set expires. False for one that was over or forgotten before. */
  readonly finish: (id: SpoolId) => boolean;
  readonly retry: (id: SpoolId, dueMs: number) => void;
  readonly nextDue: () => number | undefined;
  /** Forgets up to `limit` sets that are over and have expired. */
  readonly forget: (limit: number) => number;
  readonly count: () => { fragments: number; deliveries: number };
}

export function setTable(store: Store, unfinishedBytes: number): SetTable {
  const { db, claims } = store;
  const find = db.prepare('SELECT state, needs, has, expires FROM sets WHERE id = ?');
  const open = db.prepare(
    'INSERT INTO sets (id, state, needs, has, due, expires, attempts) VALUES (?, 0, ?, 0, 0, ?, 0) ON CONFLICT DO NOTHING',
  );
  const insert = db.prepare(
    `INSERT INTO fragments (set_id, position, recipient, k, n, total_bytes, expires, return_info, attestation, data)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
  );
  const grow = db.prepare('UPDATE sets SET has = ?, state = ? WHERE id = ?');
  const due = db.prepare(
    'SELECT id, due, expires, attempts FROM sets WHERE state = 1 AND due <= ? ORDER BY due, id',
  );
  const first = db.prepare('SELECT id, due FROM sets WHERE state = 1 ORDER BY due');
  const read = db.prepare('SELECT * FROM fragments WHERE set_id = ? ORDER BY position');
  const clear = db.prepare('DELETE FROM fragments WHERE set_id = ?');
  const info = db.prepare(
    'SELECT * FROM fragments WHERE set_id = ? AND length(return_info) > 0 ORDER BY position',
  );
  const end = db.prepare('UPDATE sets SET state = 2, due = 0, attempts = 0 WHERE id = ? AND state < 2');
  const retry = db.prepare('UPDATE sets SET due = ?, attempts = attempts + 1 WHERE id = ? AND state = 1');
  const expired = db.prepare('SELECT id, state, expires FROM sets WHERE expires <= ? AND state < 2');
  const forget = db.prepare(
    'DELETE FROM sets WHERE id IN (SELECT id FROM sets WHERE expires <= ? AND state = 2 LIMIT ?)',
  );
  const countFragments = db.prepare('SELECT count(*) AS n FROM fragments');
  const countComplete = db.prepare('SELECT count(*) AS n FROM sets WHERE state = 1');

  const unfinished = unfinishedSets(store, unfinishedBytes);

  return {
    add(fragment, lot) {
      const id = toId(fragment.setId);
      const expires = onGrid(fragment.expires * 1_000, setExpiresGridMs);
      open.run(fragment.setId, fragment.k, expires);
      const set = find.get(fragment.setId);
      if (set === undefined || set.state === state.over) return { kind: 'duplicate' };
      if (insert.run(...columns(fragment)).changes === 0) return { kind: 'duplicate' };
      const has = Number(set.has) + 1;
      const completed = set.state === state.open && has >= Number(set.needs);
      grow.run(has, completed ? state.complete : Number(set.state), fragment.setId);
      if (set.state === state.open) unfinished.grown(fragment, completed, lot);
      if (!completed) return { kind: 'stored' };
      store.afterCommit(() => claims.take(id, store.now));
      return { kind: 'complete', complete: { id, dueMs: 0, expiresMs: Number(set.expires), attempts: 0 } };
    },

    claim(limit) {
      const rows: Complete[] = [];
      for (const row of due.iterate(store.now)) {
        if (rows.length >= limit) break;
        const id = toId(row.id);
        if (claims.held(id, store.now)) continue;
        const [dueMs, expiresMs, attempts] = [Number(row.due), Number(row.expires), Number(row.attempts)];
        rows.push({ id, dueMs, expiresMs, attempts });
      }
      for (const { id } of rows) claims.take(id, store.now);
      return rows;
    },

    claimExpired(limit) {
      const rows: ExpiredSet[] = [];
      for (const row of expired.iterate(store.now)) {
        if (rows.length >= limit) break;
        const id = toId(row.id);
        if (!claims.held(id, store.now))
          rows.push({ id, complete: row.state === state.complete, expiresMs: Number(row.expires) });
      }
      for (const { id } of rows) claims.take(id, store.now);
      return rows;
    },

    returnInfo(id) {
      const row = info.get(toBlob(id));
      return row === undefined ? undefined : fragmentFrom(row);
    },

    read(id) {
      const rows = read.all(toBlob(id));
      return rows.length === 0 ? undefined : rows.map(fragmentFrom);
    },

    finish(id) {
      if (find.get(toBlob(id))?.state === state.open) unfinished.dropped(id);
      clear.run(toBlob(id));
      const ended = end.run(toBlob(id)).changes > 0;
      store.afterCommit(() => claims.free(id));
      return ended;
    },

    retry(id, dueMs) {
      retry.run(onGrid(dueMs, dueGridMs), toBlob(id));
      store.afterCommit(() => claims.free(id));
    },

    nextDue() {
      for (const row of first.iterate()) {
        if (!claims.held(toId(row.id), store.now)) return Number(row.due);
      }
      return undefined;
    },

    forget: (limit) => Number(forget.run(store.now, limit).changes),

    count: () => ({
      fragments: Number(countFragments.get()?.n),
      deliveries: Number(countComplete.get()?.n),
    }),
  };
}

function columns(f: Fragment): (string | number | Uint8Array)[] {
  return [
    f.setId,
    f.index,
    f.recipient,
    f.k,
    f.n,
    f.totalBytes,
    f.expires,
    f.returnInfo,
    f.attestation,
    f.data,
  ];
}

function fragmentFrom(row: Record<string, unknown>): Fragment {
  return {
    recipient: String(row.recipient),
    setId: row.set_id as Uint8Array,
    index: Number(row.position),
    k: Number(row.k),
    n: Number(row.n),
    totalBytes: Number(row.total_bytes),
    expires: Number(row.expires),
    returnInfo: row.return_info as Uint8Array,
    attestation: row.attestation as Uint8Array,
    data: row.data as Uint8Array,
  };
}
