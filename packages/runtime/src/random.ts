import { randomBytes } from 'node:crypto';

/** Chance, passed in. */
export interface Random {
  /** `length` uniformly distributed bytes. */
  bytes(length: number): Uint8Array;
}

/** The operating system's generator. */
export const systemRandom: Random = {
  bytes: (length) => new Uint8Array(randomBytes(length)),
};

/** Uniformly distributed in [0, 1), to 32 bits. */
export function fraction(random: Random): number {
  const [drawn = 0] = new Uint32Array(Uint8Array.from(random.bytes(4)).buffer);
  return drawn / 0x1_0000_0000;
}
