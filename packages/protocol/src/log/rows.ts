import { encodeTile, type TileHashes, type TileName, tileWidth } from './tiles.ts';
import type { Hash } from './tree.ts';
import { subtreesOf } from './tree.ts';

/** The hashes of all tiles of a log that grows, by level. */
export interface Rows {
  /** Leaves. */
  readonly size: number;
  append(leaf: Hash): void;
  readonly hash: TileHashes;
  /** A tile's bytes; undefined when the log does not reach so far. */
  tile(name: TileName & { readonly level: number }): Uint8Array | undefined;
}

export function createRows(): Rows {
  const rows: Hash[][] = [[]];
  const append = (level: number, hash: Hash): void => {
    const row = rows[level] ?? [];
    rows[level] = row;
    row.push(hash);
    if (row.length % tileWidth === 0)
      append(level + 1, subtreesOf((at) => row[at] as Hash)(row.length - tileWidth, row.length));
  };
  return {
    get size() {
      return rows[0]?.length ?? 0;
    },
    append: (leaf) => append(0, leaf),
    hash: (level, at) => rows[level]?.[at],
    tile({ level, index, width }) {
      const from = index * tileWidth;
      const hashes = rows[level]?.slice(from, from + width) ?? [];
      return hashes.length === width ? encodeTile(hashes) : undefined;
    },
  };
}
