import { ctr } from '@noble/ciphers/aes.js';
import { chacha20 } from '@noble/ciphers/chacha.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { type Bytes, cat, xor } from './bytes.ts';

// spec packet 6
export function encrypt(suite: number, key: Bytes, block: Bytes): Bytes {
  const [k1, k2, k3, k4] = subkeys(key);
  let l: Bytes = block.slice(0, 32);
  let r: Bytes = block.slice(32);
  r = stream(suite, xor(l, k1), r);
  l = xor(l, hmac(sha256, k2, r));
  r = stream(suite, xor(l, k3), r);
  l = xor(l, hmac(sha256, k4, r));
  return cat(l, r);
}

// spec packet 6
export function decrypt(suite: number, key: Bytes, block: Bytes): Bytes {
  const [k1, k2, k3, k4] = subkeys(key);
  let l: Bytes = block.slice(0, 32);
  let r: Bytes = block.slice(32);
  l = xor(l, hmac(sha256, k4, r));
  r = stream(suite, xor(l, k3), r);
  l = xor(l, hmac(sha256, k2, r));
  r = stream(suite, xor(l, k1), r);
  return cat(l, r);
}

function subkeys(key: Bytes): [Bytes, Bytes, Bytes, Bytes] {
  return [key.slice(0, 32), key.slice(32, 64), key.slice(64, 96), key.slice(96, 128)];
}

function stream(suite: number, key: Bytes, data: Bytes): Bytes {
  return suite === 1 ? ctr(key, new Uint8Array(16)).encrypt(data) : chacha20(key, new Uint8Array(12), data);
}
