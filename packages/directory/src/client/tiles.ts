import { decodeHex } from '@postern/protocol/codec';
import {
  decodeTile,
  formatTileName,
  type Hash,
  type LogHead,
  MissingTile,
  type Subtrees,
  subtreesOf,
  subtreesOfTiles,
  type TileHashes,
  type TileName,
  tilesOf,
  tileWidth,
} from '@postern/protocol/log';
import { shuffled } from '@postern/protocol/primitives';
import { askBytes } from '../ask.ts';
import type { Directory } from './collect.ts';
import type { Failure } from './errors.ts';

/** A log of which some tiles are here, and have the root that a consensus names. */
export interface LogTree {
  readonly head: LogHead;
  /** Each leaf from this one on is here; of those before only what a proof about these needs. */
  readonly from: number;
  readonly subtree: Subtrees;
}

/** Full tiles of leaves at the right edge of the log that every reader fetches: 2,048 leaves, 85 days of hours. */
const edgeTiles = 8;

/** Most leaves that are fetched, 128 MiB of hashes: 480 years of hours. */
const mostLeaves = 2 ** 22;

/** Requests under way at a time. */
const atOnce = 8;

/** From which leaf on the right edge of a log is fetched. It follows from the size alone. */
export function edgeOf(size: number): number {
  return Math.max(0, Math.floor(size / tileWidth) - edgeTiles) * tileWidth;
}

/**
 * The tiles from leaf `from` on, and those of the upper levels over it, from the first URL, in random order, whose tiles have the root.
 *
 * A server must not learn from the choice of tiles when a reader was last there (spec log 6). So there are two choices: the right edge, or the
 * whole log. The edge is the same for all who come with the same consensus, those who were there an hour ago, a month ago, or never.
 * The whole log tells only that the reader knows an older leaf than the edge has. Nothing that an earlier visit has left is left out.
 */
export async function fetchTree(
  directory: Directory,
  head: LogHead,
  from: number,
): Promise<{ readonly tree: LogTree | undefined; readonly failures: readonly Failure[] }> {
  const failures: Failure[] = [];
  if (head.size - from > mostLeaves) {
    const tooLong = { reason: 'log-unavailable', detail: 'its log is too long to be fetched' } as const;
    return { tree: undefined, failures: directory.urls.map((url) => ({ url, ...tooLong })) };
  }
  for (const url of shuffled(directory.urls, directory.random)) {
    const fetched = await fetchTiles(directory, url, neededTiles(head.size, from));
    const hashes = typeof fetched === 'string' ? undefined : hashesOf(fetched);
    if (typeof fetched !== 'string' && hashes !== undefined && isLog(fetched, hashes, head))
      return { tree: { head, from, subtree: subtreesOfTiles(hashes) }, failures };
    const why = typeof fetched === 'string' ? fetched : 'is not the log that the consensus names';
    failures.push({ url, reason: 'log-unavailable', detail: `its log ${why}` });
  }
  return { tree: undefined, failures };
}

/** Tiles that have each leaf from this one on, and what proves it to be in the log. */
export function neededTiles(size: number, from: number): TileName[] {
  const names: TileName[] = [];
  for (let level = 0; tileWidth ** level <= size; level++) names.push(...tilesOf(level, size, from));
  return names;
}

interface Tile {
  readonly name: TileName;
  readonly hashes: readonly Hash[];
}

/** All of these tiles; or what is the matter with the first that cannot be had. */
async function fetchTiles(
  directory: Directory,
  url: string,
  names: readonly TileName[],
): Promise<readonly Tile[] | string> {
  const tiles: Tile[] = [];
  for (let at = 0; at < names.length; at += atOnce) {
    const some = await Promise.all(
      names.slice(at, at + atOnce).map((name) => fetchTile(directory, url, name)),
    );
    for (const tile of some) {
      if (typeof tile === 'string') return tile;
      tiles.push(tile);
    }
  }
  return tiles;
}

/** A copy of a log may have the full tile alone once there is one (C2SP tlog-tiles): it begins with what is wanted. */
async function fetchTile(directory: Directory, url: string, name: TileName): Promise<Tile | string> {
  const partial = await fetchHashes(directory, url, name);
  if (typeof partial !== 'string') return { name, hashes: partial };
  const full = name.width < tileWidth ? await fetchHashes(directory, url, { ...name, width: tileWidth }) : '';
  return typeof full === 'string' ? partial : { name, hashes: full.slice(0, name.width) };
}

async function fetchHashes(directory: Directory, url: string, name: TileName): Promise<Hash[] | string> {
  const path = formatTileName(name);
  const answer = await askBytes(`${url}/v1/log/tile/${path}`, { ...directory, maxBytes: 32 * tileWidth });
  if (answer.kind === 'unreachable') return `is not to be had: ${answer.why}`;
  if (answer.kind !== 'answer') return `has a tile ${path} that is none`;
  if (answer.status !== 200) return `is not to be had: answered ${answer.status} for tile ${path}`;
  return decodeTile(name, answer.bytes) ?? `has a tile ${path} that is none`;
}

function hashesOf(tiles: readonly Tile[]): TileHashes {
  const byPlace = new Map(tiles.map(({ name, hashes }) => [`${name.level} ${name.index}`, hashes]));
  return (level, at) => byPlace.get(`${level} ${Math.floor(at / tileWidth)}`)?.[at % tileWidth];
}

/**
 * Whether every hash is the one of the log. The root follows from the partial tiles alone, and these from the full tiles under them: so each full one
 * has to have the hash that the level above names for it.
 */
function isLog(tiles: readonly Tile[], hashes: TileHashes, { size, root }: LogHead): boolean {
  try {
    if (!equals(subtreesOfTiles(hashes)(0, size), decodeHex(root))) return false;
    return tiles.every(({ name, hashes: row }) => {
      if (row.length < tileWidth) return true;
      const own = subtreesOf((at) => row[at] as Hash)(0, tileWidth);
      return equals(own, hashes(Number(name.level) + 1, name.index));
    });
  } catch (error) {
    if (error instanceof MissingTile) return false;
    throw error;
  }
}

function equals(one: Hash, other: Hash | undefined): boolean {
  return other !== undefined && Buffer.from(one).equals(other);
}
