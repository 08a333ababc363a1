import { decodeHex, encodeHex } from '../codec/hex.ts';
import { emptyRoot, type Hash, nodeHash, type Subtrees } from './tree.ts';

/**
 * What is left of a log's leaves when only its root is of interest, and the roots of all trees that grow out of it: the roots of the perfect
 * subtrees that the tree consists of, the largest first (a compact range from leaf 0; RFC 9162, section 2.1.2, has the algorithm).
 */
export interface CompactRange {
  /** Leaves. */
  readonly size: number;
  /** As many as `size` has bits that are 1. */
  readonly hashes: readonly Hash[];
}

/** How long a log is and the root of its tree, in hex. */
export interface LogHead {
  readonly size: number;
  readonly root: string;
}

/** Most leaves of a log: there is one consensus for an epoch at most. */
export const maxLogSize: number = 2 ** 32;

export const emptyRange: CompactRange = { size: 0, hashes: [] };

/** The range with a leaf more. */
export function appendLeaf({ size, hashes }: CompactRange, leaf: Hash): CompactRange {
  const grown = [...hashes];
  let hash = leaf;
  for (let rest = size; rest % 2 === 1; rest = (rest - 1) / 2) hash = nodeHash(grown.pop() as Hash, hash);
  return { size: size + 1, hashes: [...grown, hash] };
}

/** Root of the tree (RFC 6962, section 2.1). */
export function rootOfRange({ hashes }: CompactRange): Hash {
  const [last, ...larger] = hashes.toReversed();
  return last === undefined ? emptyRoot : larger.reduce((right, left) => nodeHash(left, right), last);
}

export function headOf(range: CompactRange): LogHead {
  return { size: range.size, root: encodeHex(rootOfRange(range)) };
}

/** The range of the first `size` leaves of a tree. */
export function rangeOf(subtree: Subtrees, size: number): CompactRange {
  let from = 0;
  const hashes = perfectSizes(size).map((leaves) => {
    from += leaves;
    return subtree(from - leaves, from);
  });
  return { size, hashes };
}

/** Whether two heads are of the same log. */
export function isSameHead(one: LogHead, other: LogHead): boolean {
  return one.size === other.size && one.root === other.root;
}

/** A range as one line: size, then each hash in hex, with spaces between. */
export function formatRange({ size, hashes }: CompactRange): string {
  return [String(size), ...hashes.map(encodeHex)].join(' ');
}

/** The inverse of `formatRange`; undefined for anything else. A text is 2,090 characters at most. */
export function parseRange(text: string): CompactRange | undefined {
  if (!/^(0|[1-9]\d{0,9})( [0-9a-f]{64}){0,32}$/.test(text)) return undefined;
  const [digits, ...hex] = text.split(' ');
  const size = Number(digits);
  if (size > maxLogSize || perfectSizes(size).length !== hex.length) return undefined;
  return { size, hashes: hex.map((hash) => decodeHex(hash) ?? new Uint8Array()) };
}

/** Leaves of each perfect subtree, the largest first. */
function perfectSizes(size: number): number[] {
  const sizes: number[] = [];
  for (let [rest, bit] = [size, 1]; rest > 0; [rest, bit] = [Math.floor(rest / 2), bit * 2]) {
    if (rest % 2 === 1) sizes.unshift(bit);
  }
  return sizes;
}
