import { hash } from 'node:crypto';
import type { Random } from '@postern/runtime';

/** Chance from a seed: SHA-256 in counter mode. */
export function seeded(seed: string): Random {
  let counter = 0;
  return {
    bytes(length) {
      const blocks = Array.from({ length: Math.ceil(length / 32) }, () =>
        hash('sha256', `${seed}:${counter++}`, 'buffer'),
      );
      return new Uint8Array(Buffer.concat(blocks).subarray(0, length));
    },
  };
}
