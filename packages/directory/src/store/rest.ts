import type { DatabaseSync } from 'node:sqlite';
import { type Listed, staleEpochs } from '@postern/protocol/consensus';
import { whole } from './whole.ts';

/** The nodes that stood for a document and are no entries of it, ascending by id. */
export interface RestStore {
  /** Keeps them under the document's digest, and forgets those of earlier epochs that nobody uses any more. */
  keepRest(epoch: number, digest: string, rest: readonly Listed[]): void;
  rest(digest: string): readonly Listed[] | undefined;
}

export const restLayout = `
  CREATE TABLE IF NOT EXISTS rest (digest TEXT PRIMARY KEY, epoch INTEGER NOT NULL, list TEXT NOT NULL) STRICT;`;

export function restIn(database: DatabaseSync): RestStore {
  return {
    keepRest(epoch, digest, rest) {
      whole(database, () => {
        database.prepare('DELETE FROM rest WHERE epoch < ?').run(epoch - staleEpochs);
        database
          .prepare('INSERT INTO rest VALUES (?, ?, ?) ON CONFLICT DO NOTHING')
          .run(digest, epoch, JSON.stringify(rest));
      });
    },
    rest(digest) {
      const row = database.prepare('SELECT list FROM rest WHERE digest = ?').get(digest);
      return row === undefined ? undefined : (JSON.parse(String(row.list)) as Listed[]);
    },
  };
}
