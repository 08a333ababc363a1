import { type Cipheriv, createCipheriv, hash } from 'node:crypto';
import type { Random } from '@postern/runtime';

/**
 * Chance that repeats itself, for tests: the keystream of AES-256-CTR under SHA-256 of the seed. Two streams of one seed give the same
 * bytes however they are asked for; streams of two seeds, or of two forks, have nothing in common.
 */
export class SeededRandom implements Random {
  readonly #seed: string;
  readonly #stream: Cipheriv;

  constructor(seed: string | number) {
    this.#seed = String(seed);
    this.#stream = createCipheriv('aes-256-ctr', hash('sha256', this.#seed, 'buffer'), Buffer.alloc(16));
  }

  bytes(length: number): Uint8Array {
    return new Uint8Array(this.#stream.update(Buffer.alloc(length)));
  }

  /** A stream of its own, so that what one party draws does not depend on when another does. */
  fork(name: string): SeededRandom {
    return new SeededRandom(JSON.stringify([this.#seed, name]));
  }
}
