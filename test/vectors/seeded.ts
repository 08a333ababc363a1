import { shake256 } from '@noble/hashes/sha3.js';
import { utf8ToBytes } from '@noble/hashes/utils.js';

/** Chance that is the same at every run: SHAKE256 of the seed, read on and on. */
export function seeded(seed: string): { bytes(length: number): Uint8Array } {
  const stream = shake256.create({}).update(utf8ToBytes(seed));
  return { bytes: (length) => stream.xof(length) };
}
