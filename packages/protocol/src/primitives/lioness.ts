import { provider } from '#provider';
import type { StreamCipher } from './provider.ts';

/*
 * LIONESS (Anderson and Biham, "Two practical and provably secure block ciphers: BEAR and LION", FSE 1996, section 6)
 * over blocks of any length: the left part is 32 bytes, as long as a key of the stream cipher and an output of the hash.
 */

/** Four subkeys of 32 bytes, one after the other. */
export const lionessKeyBytes = 128;

/** A block is given and returned as its two parts, so that its bytes need not be copied together again. */
export interface LionessBlock {
  /** 32 bytes. */
  readonly left: Uint8Array;
  readonly right: Uint8Array;
}

// spec packet 6
export function encryptLioness(cipher: StreamCipher, key: Uint8Array, block: Uint8Array): LionessBlock {
  let { left, right } = parts(block);
  right = provider.stream(cipher, xor(left, subkey(key, 0)), right);
  left = xor(left, provider.hmacSha256(subkey(key, 1), right));
  right = provider.stream(cipher, xor(left, subkey(key, 2)), right);
  left = xor(left, provider.hmacSha256(subkey(key, 3), right));
  return { left, right };
}

// spec packet 6
export function decryptLioness(cipher: StreamCipher, key: Uint8Array, block: Uint8Array): LionessBlock {
  let { left, right } = parts(block);
  left = xor(left, provider.hmacSha256(subkey(key, 3), right));
  right = provider.stream(cipher, xor(left, subkey(key, 2)), right);
  left = xor(left, provider.hmacSha256(subkey(key, 1), right));
  right = provider.stream(cipher, xor(left, subkey(key, 0)), right);
  return { left, right };
}

const leftBytes = 32;

function parts(block: Uint8Array): LionessBlock {
  return { left: block.subarray(0, leftBytes), right: block.subarray(leftBytes) };
}

function subkey(key: Uint8Array, index: number): Uint8Array {
  return key.subarray(index * 32, (index + 1) * 32);
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  const result = new Uint8Array(a.length);
  for (let i = 0; i < result.length; i++) result[i] = (a[i] ?? 0) ^ (b[i] ?? 0);
  return result;
}
