import { onGrid, type Return, type SpoolId, setExpiresGridMs, type Token } from '../../spool.ts';
import { type Store, toBlob, toId } from './store.ts';

/** What the author has been told. Even after a failure the token stays until it expires: more of the message may come yet. */
const told = { nothing: 0, delay: 1, failure: 2 } as const;

export interface ReturnTable {
  /** False when another author has the token. */
  readonly insert: (token: Token, author: string, expiresMs: number) => boolean;
  /** Remembers that a relay to a domain is of that token. */
  readonly insertCarriage: (relay: SpoolId, token: Token) => void;
  readonly find: (by: { token: Token } | { carriage: SpoolId }) => Return | undefined;
  /** Notes that they were told; false when there is nobody, or nothing more to tell them. */
  readonly note: (token: Token, final: boolean) => boolean;
  /** Forgets up to `limit` tokens that have expired, and says how many. */
  readonly forget: (limit: number) => number;
}

export function returnTable(store: Store): ReturnTable {
  const { db } = store;
  const insert = db.prepare(
    'INSERT INTO returns (token, author, expires, told) VALUES (?, ?, ?, 0) ON CONFLICT DO NOTHING',
  );
  const insertCarriage = db.prepare('INSERT INTO carriages (id, token) VALUES (?, ?)');
  const find = db.prepare('SELECT token, author, told FROM returns WHERE token = ?');
  const carriage = db.prepare('SELECT token FROM carriages WHERE id = ?');
  const tell = db.prepare('UPDATE returns SET told = ? WHERE token = ?');
  const remove = db.prepare('DELETE FROM returns WHERE token = ?');
  const removeCarriages = db.prepare('DELETE FROM carriages WHERE token = ?');
  const expired = db.prepare('SELECT token FROM returns WHERE expires <= ? LIMIT ?');

  const drop = (token: Uint8Array): void => {
    remove.run(token);
    removeCarriages.run(token);
  };
  const findBy = (token: Uint8Array): Return | undefined => {
    const row = find.get(token);
    if (row === undefined || row.told === told.failure) return undefined;
    return { token: toId(row.token), author: String(row.author), delayed: row.told === told.delay };
  };

  return {
    insert(token, author, expiresMs) {
      insert.run(toBlob(token), author, onGrid(expiresMs, setExpiresGridMs));
      return find.get(toBlob(token))?.author === author;
    },
    insertCarriage: (relay, token) => void insertCarriage.run(toBlob(relay), toBlob(token)),
    find(by) {
      if ('token' in by) return findBy(toBlob(by.token));
      const row = carriage.get(toBlob(by.carriage));
      return row === undefined ? undefined : findBy(row.token as Uint8Array);
    },
    note(token, final) {
      const found = findBy(toBlob(token));
      if (found === undefined || (!final && found.delayed)) return false;
      tell.run(final ? told.failure : told.delay, toBlob(token));
      if (final) removeCarriages.run(toBlob(token));
      return true;
    },
    forget(limit) {
      const tokens = expired.all(store.now, limit).map(({ token }) => token as Uint8Array);
      for (const token of tokens) drop(token);
      return tokens.length;
    },
  };
}
