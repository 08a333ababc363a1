import type { Aead, StreamCipher } from '../primitives/index.ts';

interface Suite {
  readonly aead: Aead;
  /** The stream cipher inside LIONESS. */
  readonly cipher: StreamCipher;
}

export const tagBytes = 16;

// spec packet 4
const suites: Readonly<Record<number, Suite>> = {
  1: { aead: 'aes-256-gcm', cipher: 'aes-256-ctr' },
  2: { aead: 'chacha20-poly1305', cipher: 'chacha20' },
};

/** All that packets may have, ascending. */
export const suiteNumbers: readonly number[] = Object.keys(suites).map(Number);

export function isSuite(suite: number): boolean {
  return Object.hasOwn(suites, suite);
}

/** The algorithms of a suite that a geometry names; a geometry names none but these. */
export function suiteOf({ suite }: { readonly suite: number }): Suite {
  const found = suites[suite];
  if (found === undefined) throw new RangeError(`no suite ${suite}`);
  return found;
}
