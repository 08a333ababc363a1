import { concat, equalBytes } from '../codec/bytes.ts';
import { sha256 } from '../primitives/index.ts';

/**
 * A Merkle tree over the leaves of a log (RFC 6962, section 2.1): hashes of 32 bytes. A proof is the list of hashes that RFC 6962 names, in
 * its order.
 */
export type Hash = Uint8Array;

/** Root over the leaves `from` to `to - 1`, of which there is at least one. */
export type Subtrees = (from: number, to: number) => Hash;

const leafPrefix = Uint8Array.of(0);
const nodePrefix = Uint8Array.of(1);

/** Root of a tree without leaves: the hash of nothing. */
export const emptyRoot: Hash = sha256(new Uint8Array());

/** Hash of a leaf's content. */
export function leafHash(content: Uint8Array): Hash {
  return sha256(concat(leafPrefix, content));
}

/** Subtrees over leaves whose hashes are at hand. */
export function subtreesOf(leaf: (at: number) => Hash): Subtrees {
  const root: Subtrees = (from, to) => {
    if (to - from === 1) return leaf(from);
    const middle = from + split(to - from);
    return nodeHash(root(from, middle), root(middle, to));
  };
  return root;
}

/** That leaf `at` is in the tree of `size` leaves (RFC 6962, section 2.1.1). Throws a `RangeError` when it is not. */
export function proveInclusion(subtree: Subtrees, at: number, size: number): Hash[] {
  if (!(Number.isSafeInteger(at) && at >= 0 && at < size))
    throw new RangeError(`no leaf ${at} among ${size}`);
  return path(subtree, at, 0, size);
}

function path(subtree: Subtrees, at: number, from: number, to: number): Hash[] {
  if (to - from === 1) return [];
  const middle = from + split(to - from);
  return at < middle
    ? [...path(subtree, at, from, middle), subtree(middle, to)]
    : [...path(subtree, at, middle, to), subtree(from, middle)];
}

/** That the tree of `size` leaves begins with the one of `before` (RFC 6962, section 2.1.2). Throws a `RangeError` when it cannot. */
export function proveConsistency(subtree: Subtrees, before: number, size: number): Hash[] {
  if (!(Number.isSafeInteger(before) && before >= 0 && before <= size))
    throw new RangeError(`a tree of ${size} leaves does not begin with ${before}`);
  return before === 0 || before === size ? [] : subproof(subtree, before, 0, size, true);
}

function subproof(subtree: Subtrees, before: number, from: number, to: number, known: boolean): Hash[] {
  if (from + before === to) return known ? [] : [subtree(from, to)];
  const left = split(to - from);
  const middle = from + left;
  return before <= left
    ? [...subproof(subtree, before, from, middle, known), subtree(middle, to)]
    : [...subproof(subtree, before - left, middle, to, false), subtree(from, middle)];
}

/** Whether `proof` shows that leaf `at` is in the tree of that size and root (RFC 9162, section 2.1.3.2). */
export function isIncluded(
  leaf: Hash,
  at: number,
  { size, root }: { readonly size: number; readonly root: Hash },
  proof: readonly Hash[],
): boolean {
  if (!(Number.isSafeInteger(at) && at >= 0 && at < size)) return false;
  let [node, last] = [at, size - 1];
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      hash = nodeHash(sibling, hash);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else hash = nodeHash(hash, sibling);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && equalBytes(hash, root);
}

/** Whether `proof` shows that the newer tree begins with the older one (RFC 9162, section 2.1.4.2). */
export function isConsistent(
  older: { readonly size: number; readonly root: Hash },
  newer: { readonly size: number; readonly root: Hash },
  proof: readonly Hash[],
): boolean {
  if (older.size > newer.size) return false;
  if (older.size === newer.size) return proof.length === 0 && equalBytes(older.root, newer.root);
  if (older.size === 0) return proof.length === 0;
  const hashes = isPowerOfTwo(older.size) ? [older.root, ...proof] : [...proof];
  const [first, ...rest] = hashes;
  if (first === undefined) return false;
  let [node, last] = [older.size - 1, newer.size - 1];
  while (node % 2 === 1) [node, last] = [half(node), half(last)];
  let [old, young] = [first, first];
  for (const hash of rest) {
    if (last === 0) return false;
    if (node % 2 === 1 || node === last) {
      old = nodeHash(hash, old);
      young = nodeHash(hash, young);
      while (node % 2 === 0 && node !== 0) [node, last] = [half(node), half(last)];
    } else young = nodeHash(young, hash);
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && equalBytes(old, older.root) && equalBytes(young, newer.root);
}

/** Root over two subtrees. */
export function nodeHash(left: Hash, right: Hash): Hash {
  return sha256(concat(nodePrefix, left, right));
}

/** The largest power of two below `size`, which is at least 2. */
export function split(size: number): number {
  return 2 ** Math.ceil(Math.log2(size) - 1);
}

function half(value: number): number {
  return Math.floor(value / 2);
}

function isPowerOfTwo(value: number): boolean {
  return value === split(value * 2);
}
