import { ctr, gcm } from '@noble/ciphers/aes.js';
import { chacha20, chacha20poly1305 } from '@noble/ciphers/chacha.js';
import { ed25519, x25519 } from '@noble/curves/ed25519.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256, sha512 } from '@noble/hashes/sha2.js';
import { sha3_256 } from '@noble/hashes/sha3.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import type { Provider } from './provider.ts';

/** Primitives by noble: for browsers, and the second opinion in tests. */
export const provider: Provider = {
  randomBytes(length) {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at += mostAtOnce)
      bytes.set(randomBytes(Math.min(mostAtOnce, length - at)), at);
    return bytes;
  },
  sha256: (data) => sha256(data),
  sha3_256: (data) => sha3_256(data),
  sha512: (data) => sha512(data),
  hmacSha256: (key, data) => hmac(sha256, key, data),
  stream: (cipher, key, data) =>
    cipher === 'aes-256-ctr'
      ? ctr(key, new Uint8Array(16)).encrypt(data)
      : chacha20(key, new Uint8Array(12), data),
  aeadSeal: (aead, key, nonce, plaintext) => aeads[aead](key, nonce).encrypt(plaintext),
  aeadOpen: (aead, key, nonce, sealed) => orUndefined(() => aeads[aead](key, nonce).decrypt(sealed)),
  x25519: {
    load: (privateKey) => ({
      publicKey: x25519.getPublicKey(privateKey),
      shared: (peer) => orUndefined(() => x25519.getSharedSecret(privateKey, peer)),
    }),
  },
  mlKem768: {
    load(seed) {
      const { publicKey, secretKey } = ml_kem768.keygen(seed);
      return { publicKey, decapsulate: (ciphertext) => ml_kem768.decapsulate(ciphertext, secretKey) };
    },
    encapsulate: (publicKey, m) =>
      orUndefined(() => {
        const { sharedSecret, cipherText } = ml_kem768.encapsulate(publicKey, m);
        return { secret: sharedSecret, ciphertext: cipherText };
      }),
  },
  ed25519: {
    publicKey: (seed) => ed25519.getPublicKey(seed),
    sign: (message, seed) => ed25519.sign(message, seed),
    verify: (signature, message, publicKey) =>
      orUndefined(() => ed25519.verify(signature, message, publicKey, { zip215: false })) ?? false,
  },
  mlDsa65: {
    publicKey: (seed) => ml_dsa65.keygen(seed).publicKey,
    sign: (message, seed, context) => ml_dsa65.sign(message, ml_dsa65.keygen(seed).secretKey, { context }),
    verify: (signature, message, publicKey, context) =>
      orUndefined(() => ml_dsa65.verify(signature, message, publicKey, { context })) ?? false,
  },
};

/** What Web Crypto's getRandomValues gives in one call. */
const mostAtOnce = 65_536;

const aeads = { 'aes-256-gcm': gcm, 'chacha20-poly1305': chacha20poly1305 };

/** noble throws for what is an expected outcome here. */
function orUndefined<T>(step: () => T): T | undefined {
  try {
    return step();
  } catch {
    return undefined;
  }
}
