import { gcm } from '@noble/ciphers/aes.js';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { x25519 } from '@noble/curves/ed25519.js';
import { expand, extract } from '@noble/hashes/hkdf.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { sha3_256, shake256 } from '@noble/hashes/sha3.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { type Bytes, cat, text, uint } from './bytes.ts';

// X-Wing and HPKE as draft-connolly-cfrg-xwing-kem and RFC 9180 write them down, line by line.

export function xwingPublicKey(seed: Bytes): Bytes {
  const { mlKem, x } = expandKey(seed);
  return cat(mlKem.publicKey, x25519.getPublicKey(x));
}

export function xwingEncapsulate(publicKey: Bytes, eseed: Bytes): { secret: Bytes; ciphertext: Bytes } {
  const peer = publicKey.slice(1184);
  const mlKem = ml_kem768.encapsulate(publicKey.slice(0, 1184), eseed.slice(0, 32));
  const point = x25519.getPublicKey(eseed.slice(32));
  const shared = x25519.getSharedSecret(eseed.slice(32), peer);
  return {
    secret: combine(mlKem.sharedSecret, shared, point, peer),
    ciphertext: cat(mlKem.cipherText, point),
  };
}

export function xwingDecapsulate(seed: Bytes, ciphertext: Bytes): Bytes {
  const { mlKem, x } = expandKey(seed);
  const point = ciphertext.slice(1088);
  const secret = ml_kem768.decapsulate(ciphertext.slice(0, 1088), mlKem.secretKey);
  return combine(secret, x25519.getSharedSecret(x, point), point, x25519.getPublicKey(x));
}

function expandKey(seed: Bytes) {
  const expanded = shake256(seed, { dkLen: 96 });
  return { mlKem: ml_kem768.keygen(expanded.slice(0, 64)), x: expanded.slice(64) };
}

function combine(mlKem: Bytes, x: Bytes, point: Bytes, publicKey: Bytes): Bytes {
  return sha3_256(cat(mlKem, x, point, publicKey, text('\\.//^\\')));
}

export interface Context {
  seal(plaintext: Bytes): Bytes;
  /** Throws when it does not open. */
  open(ciphertext: Bytes): Bytes;
  export(context: string, length: number): Bytes;
}

/** RFC 9180 5.1: mode base, from the KEM's shared secret. */
export function context(suite: number, sharedSecret: Bytes, info: Bytes): Context {
  const aeadId = suite === 1 ? 2 : 3;
  const suiteId = cat(text('HPKE'), uint(0x647a, 2), uint(1, 2), uint(aeadId, 2));
  const nothing = new Uint8Array(0);
  const labeledExtract = (salt: Bytes, label: string, ikm: Bytes) =>
    extract(sha256, cat(text('HPKE-v1'), suiteId, text(label), ikm), salt);
  const labeledExpand = (prk: Bytes, label: string, context: Bytes, length: number) =>
    expand(sha256, prk, cat(uint(length, 2), text('HPKE-v1'), suiteId, text(label), context), length);

  const schedule = cat(
    uint(0, 1),
    labeledExtract(nothing, 'psk_id_hash', nothing),
    labeledExtract(nothing, 'info_hash', info),
  );
  const secret = labeledExtract(sharedSecret, 'secret', nothing);
  const key = labeledExpand(secret, 'key', schedule, 32);
  const nonce = labeledExpand(secret, 'base_nonce', schedule, 12);
  const exporter = labeledExpand(secret, 'exp', schedule, 32);
  const aead = suite === 1 ? gcm(key, nonce) : chacha20poly1305(key, nonce);
  return {
    seal: (plaintext) => aead.encrypt(plaintext),
    open: (ciphertext) => aead.decrypt(ciphertext),
    export: (label, length) => labeledExpand(exporter, 'sec', text(label), length),
  };
}
