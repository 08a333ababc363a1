import { type Complaints, dayMs, onGrid, type Token } from '../../spool.ts';
import { type Store, toBlob } from './store.ts';

export interface ComplaintTable {
  /** Counts a complaint of a token, once. A day's are forgotten together, when those of its first token are to be. */
  readonly note: (token: Token, forgetMs: number) => 'complaint' | 'known-complaint' | 'unknown-token';
  readonly list: () => Complaints[];
  /** Forgets up to `limit` rows, and says how many. */
  readonly forget: (limit: number) => number;
}

export function complaintTable(store: Store): ComplaintTable {
  const { db } = store;
  const find = db.prepare('SELECT author, complained FROM returns WHERE token = ? AND expires > ?');
  const mark = db.prepare('UPDATE returns SET complained = 1 WHERE token = ?');
  const count = db.prepare(
    `INSERT INTO complaints (author, day, expires, count) VALUES (?, ?, ?, 1)
     ON CONFLICT DO UPDATE SET count = count + 1`,
  );
  const list = db.prepare('SELECT author, day, count FROM complaints ORDER BY author, day');
  const forget = db.prepare(
    'DELETE FROM complaints WHERE (author, day) IN (SELECT author, day FROM complaints WHERE expires <= ? LIMIT ?)',
  );

  return {
    note(token, forgetMs) {
      const found = find.get(toBlob(token), store.now);
      if (found === undefined) return 'unknown-token';
      if (found.complained === 1) return 'known-complaint';
      mark.run(toBlob(token));
      const day = Math.floor(store.now / dayMs);
      count.run(String(found.author), day, onGrid(forgetMs, dayMs));
      return 'complaint';
    },
    list: () =>
      list.all().map(({ author, day, count: n }) => ({
        author: String(author),
        dayMs: Number(day) * dayMs,
        count: Number(n),
      })),
    forget: (limit) => Number(forget.run(store.now, limit).changes),
  };
}
