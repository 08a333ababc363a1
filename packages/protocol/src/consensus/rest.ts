import { decodeHex, encodeHex } from '../codec/hex.ts';
import { encodeJson } from '../codec/json.ts';
import {
  emptyRoot,
  type Hash,
  isIncluded,
  leafHash,
  proveInclusion,
  type Subtrees,
  subtreesOf,
} from '../log/index.ts';
import type { Listed, Rest } from './documents.ts';

/** That a node stands, though it is no entry of the consensus (spec consensus 8.7). */
export interface RegisteredProof {
  /** Place of its leaf. */
  readonly at: number;
  /** Hashes that lead from it to the root, each in hex. */
  readonly proof: readonly string[];
}

/** What a consensus says of the nodes that are no entries; `listed` ascends by id. */
export function restOf(listed: readonly Listed[]): Rest {
  const root = listed.length === 0 ? emptyRoot : treeOf(listed)(0, listed.length);
  return { count: listed.length, root: encodeHex(root) };
}

/** Proofs for the nodes of a list by their ids; undefined for one that is none of them. No part of the tree is hashed twice. */
export function proveRegistered(listed: readonly Listed[]): (id: string) => RegisteredProof | undefined {
  const places = new Map(listed.map(({ id }, at) => [id, at]));
  const tree = remembering(treeOf(listed));
  return (id) => {
    const at = places.get(id);
    return at === undefined
      ? undefined
      : { at, proof: proveInclusion(tree, at, listed.length).map(encodeHex) };
  };
}

/** Whether a node stands with the descriptor of that digest, as the consensus with this `rest` was counted. */
export function isRegistered(listed: Listed, { count, root }: Rest, { at, proof }: RegisteredProof): boolean {
  const hashes = proof.map(decodeHex);
  const rootHash = decodeHex(root);
  if (rootHash === undefined || !hashes.every((hash) => hash?.length === 32)) return false;
  return isIncluded(leafOf(listed), at, { size: count, root: rootHash }, hashes as Hash[]);
}

function remembering(tree: Subtrees): Subtrees {
  const known = new Map<string, Hash>();
  return (from, to) => {
    const key = `${from} ${to}`;
    const hash = known.get(key) ?? tree(from, to);
    known.set(key, hash);
    return hash;
  };
}

function treeOf(listed: readonly Listed[]): Subtrees {
  const leaves = listed.map(leafOf);
  return subtreesOf((at) => leaves[at] as Hash);
}

function leafOf({ id, digest }: Listed): Hash {
  return leafHash(new TextEncoder().encode(`postern.registered/v1\n${encodeJson({ digest, id })}\n`));
}
