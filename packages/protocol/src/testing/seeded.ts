import { type Random, sha256 } from '../primitives/index.ts';

/** The same bytes at every run: SHA-256 of the seed and a counter. */
export function seeded(seed: string): Random {
  let counter = 0;
  return {
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += 32) {
        const block = sha256(new TextEncoder().encode(`${seed} ${counter++}`));
        bytes.set(block.subarray(0, length - at), at);
      }
      return bytes;
    },
  };
}
