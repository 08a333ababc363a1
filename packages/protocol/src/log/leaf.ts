import { decodeJson, encodeJson } from '../codec/json.ts';
import { type Hash, leafHash } from './tree.ts';

/** What the log has of one consensus (spec log 2). */
export interface Leaf {
  readonly epoch: number;
  /** `consensusDigest` of it. */
  readonly digest: string;
}

const origin = 'postern.leaf/v1\n';
const utf8 = new TextEncoder();

/** The bytes that are hashed: origin, newline, canonical JSON, newline. */
export function encodeLeaf({ epoch, digest }: Leaf): Uint8Array {
  return utf8.encode(`${origin}${encodeJson({ digest, epoch })}\n`);
}

/** The inverse of `encodeLeaf`; undefined for anything else. */
export function decodeLeaf(bytes: Uint8Array): Leaf | undefined {
  if (bytes.length > maxLeafBytes) return undefined;
  const text = new TextDecoder().decode(bytes);
  if (!text.startsWith(origin) || !text.endsWith('\n')) return undefined;
  const json = decodeJson(text.slice(origin.length, -1));
  if (json.kind === 'refused' || typeof json.value !== 'object' || json.value === null) return undefined;
  const { epoch, digest, ...rest } = json.value as Partial<Leaf>;
  if (typeof epoch !== 'number' || !Number.isInteger(epoch) || epoch < 0 || epoch > 2 ** 32 - 1)
    return undefined;
  if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest)) return undefined;
  return Object.keys(rest).length === 0 ? { epoch, digest } : undefined;
}

/** Hash of a leaf in the tree. */
export function hashOfLeaf(leaf: Leaf): Hash {
  return leafHash(encodeLeaf(leaf));
}

/** Bytes of the longest leaf. */
export const maxLeafBytes: number = encodeLeaf({ epoch: 2 ** 32 - 1, digest: 'f'.repeat(64) }).length;
