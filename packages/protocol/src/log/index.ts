export { decodeCheckpoint, encodeCheckpoint, logOrigin, maxCheckpointLength } from './checkpoint.ts';
export { hashOfLeaf, type Leaf, maxLeafBytes } from './leaf.ts';
export {
  appendLeaf,
  type CompactRange,
  emptyRange,
  formatRange,
  headOf,
  isSameHead,
  type LogHead,
  parseRange,
  rangeOf,
  rootOfRange,
} from './range.ts';
export { createRows, type Rows } from './rows.ts';
export {
  decodeBundle,
  decodeTile,
  encodeBundle,
  encodeTile,
  formatTileName,
  MissingTile,
  parseTileName,
  subtreesOfTiles,
  type TileHashes,
  type TileName,
  tilesOf,
  tileWidth,
} from './tiles.ts';
export {
  emptyRoot,
  type Hash,
  isConsistent,
  isIncluded,
  leafHash,
  proveConsistency,
  proveInclusion,
  type Subtrees,
  subtreesOf,
} from './tree.ts';
