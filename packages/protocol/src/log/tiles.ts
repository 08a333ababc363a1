import { ByteWriter, concat, decodeBytes } from '../codec/bytes.ts';
import { decodeLeaf, encodeLeaf, type Leaf } from './leaf.ts';
import { type Hash, nodeHash, type Subtrees, split, subtreesOf } from './tree.ts';

/*
 * Tiles as in C2SP tlog-tiles: a tile of level L holds 256 hashes side by side, each the root over 256^L leaves; the last one of a level
 * may hold fewer. An entry bundle holds the leaves themselves.
 */

/** Hashes in a full tile, and leaves in a full bundle. */
export const tileWidth = 256;

export interface TileName {
  /** 0 to 63; `entries` for a bundle of leaves. */
  readonly level: number | 'entries';
  /** From the left. */
  readonly index: number;
  /** 1 to 256; a tile with fewer than 256 is partial. */
  readonly width: number;
}

/** Behind `…/tile/`, for example `0/x001/067.p/8`. */
export function formatTileName({ level, index, width }: TileName): string {
  const digits = String(index);
  const groups = digits.padStart(Math.ceil(digits.length / 3) * 3, '0').match(/\d{3}/g) ?? [];
  const path = groups.map((group, at) => (at === groups.length - 1 ? group : `x${group}`)).join('/');
  return `${level}/${path}${width === tileWidth ? '' : `.p/${width}`}`;
}

/** The inverse of `formatTileName`; undefined for anything else. */
export function parseTileName(text: string): TileName | undefined {
  const [, level, path, width] =
    /^(\d{1,2}|entries)\/((?:x\d{3}\/){0,4}\d{3})(?:\.p\/(\d{1,3}))?$/.exec(text) ?? [];
  if (level === undefined || path === undefined) return undefined;
  const name: TileName = {
    level: level === 'entries' ? level : Number(level),
    index: Number(path.replaceAll(/\D/g, '')),
    width: width === undefined ? tileWidth : Number(width),
  };
  const inBounds = name.width > 0 && (name.level === 'entries' || name.level < 64);
  return inBounds && formatTileName(name) === text ? name : undefined;
}

/** The tiles of a level of a log, from that which holds the root over leaf `from` on. Without `from` all of them. */
export function tilesOf(level: number | 'entries', size: number, from = 0): TileName[] {
  const span = level === 'entries' ? 1 : tileWidth ** level;
  const hashes = Math.floor(size / span);
  const names: TileName[] = [];
  for (let index = Math.floor(from / span / tileWidth); index * tileWidth < hashes; index++)
    names.push({ level, index, width: Math.min(tileWidth, hashes - index * tileWidth) });
  return names;
}

/** The hashes of a tile; undefined when there are not exactly as many as its name says. */
export function decodeTile({ width }: Pick<TileName, 'width'>, bytes: Uint8Array): Hash[] | undefined {
  return decodeBytes(bytes, (reader) => Array.from({ length: width }, () => reader.bytes(hashBytes)));
}

export function encodeTile(hashes: readonly Hash[]): Uint8Array {
  return concat(...hashes);
}

/** Leaves, each behind its length in two bytes. */
export function encodeBundle(leaves: readonly Leaf[]): Uint8Array {
  const writer = new ByteWriter();
  for (const leaf of leaves) writer.vector16(encodeLeaf(leaf));
  return writer.finish();
}

/** The inverse of `encodeBundle`; undefined unless there are exactly `width` leaves. */
export function decodeBundle({ width }: Pick<TileName, 'width'>, bytes: Uint8Array): Leaf[] | undefined {
  const leaves = decodeBytes(bytes, (reader) =>
    Array.from({ length: width }, () => decodeLeaf(reader.vector16())),
  );
  return leaves?.every((leaf) => leaf !== undefined) ? leaves : undefined;
}

/** A tile that is needed is not there. */
export class MissingTile extends Error {
  override readonly name = 'MissingTile';
}

/** Hash `at` of a level, as far as it is known. */
export type TileHashes = (level: number, at: number) => Hash | undefined;

/** Subtrees of a log as its tiles have them. They throw `MissingTile` where the tiles at hand do not suffice. */
export function subtreesOfTiles(hashes: TileHashes): Subtrees {
  const perfect = (from: number, leaves: number): Hash => {
    let [level, span] = [0, 1];
    for (; span * tileWidth <= leaves; level++) span *= tileWidth;
    const row = subtreesOf((at) => {
      const hash = hashes(level, at);
      if (hash === undefined) throw new MissingTile(`hash ${at} of level ${level}`);
      return hash;
    });
    return row(from / span, (from + leaves) / span);
  };
  const root: Subtrees = (from, to) => {
    const leaves = to - from;
    if (leaves === 1 || leaves === split(leaves * 2)) return perfect(from, leaves);
    const middle = from + split(leaves);
    return nodeHash(root(from, middle), root(middle, to));
  };
  return root;
}

const hashBytes = 32;
