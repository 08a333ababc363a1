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
