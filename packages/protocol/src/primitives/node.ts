import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  decapsulate,
  diffieHellman,
  encapsulate,
  hash,
  type KeyObject,
  type PrivateKeyInput,
  type PublicKeyInput,
  randomBytes,
  type SignKeyObjectInput,
  sign,
  type VerifyKeyObjectInput,
  verify,
} from 'node:crypto';
import { ml_kem768 } from '@noble/post-quantum/ml-kem.js';
import { concat } from '../codec/bytes.ts';
import type { Aead, Provider } from './provider.ts';

/*
 * Node asks of every object that is given as a key whether it is a KeyObject, and finds out by catching an exception, which costs
 * more than most of the operations here. So symmetric keys go in as KeyObjects, and the peer's X25519 key as a string.
 */

/** Primitives by OpenSSL through `node:crypto`. */
export const provider: Provider = {
  randomBytes: (length) => plain(randomBytes(length)),
  sha256: (data) => plain(hash('sha256', data, 'buffer')),
  sha3_256: (data) => plain(hash('sha3-256', data, 'buffer')),
  sha512: (data) => plain(hash('sha512', data, 'buffer')),
  hmacSha256: (key, data) => plain(createHmac('sha256', createSecretKey(key)).update(data).digest()),
  stream: (cipher, key, data) => plain(createCipheriv(cipher, createSecretKey(key), zeroNonce).update(data)),
  aeadSeal(aead, key, nonce, plaintext) {
    const cipher = createCipheriv(gcmType(aead), createSecretKey(key), nonce, { authTagLength: tagBytes });
    const ciphertext = cipher.update(plaintext);
    cipher.final();
    return concat(ciphertext, cipher.getAuthTag());
  },
  aeadOpen(aead, key, nonce, sealed) {
    if (sealed.length < tagBytes) return undefined;
    const decipher = createDecipheriv(gcmType(aead), createSecretKey(key), nonce, {
      authTagLength: tagBytes,
    });
    decipher.setAuthTag(sealed.subarray(-tagBytes));
    const plaintext = decipher.update(sealed.subarray(0, -tagBytes));
    return succeeds(() => decipher.final()) ? plain(plaintext) : undefined;
  },
  x25519: {
    load(privateKey) {
      const key = privateKeyOf('x25519', 'raw-private', privateKey);
      return {
        publicKey: rawPublic(key),
        shared(peer) {
          try {
            return plain(
              diffieHellman({ privateKey: key, publicKey: x25519Pem(peer) as unknown as KeyObject }),
            );
          } catch {
            return undefined; // OpenSSL refuses the all-zero result
          }
        },
      };
    },
  },
  mlKem768: {
    load(seed) {
      const key = privateKeyOf('ml-kem-768', 'raw-seed', seed);
      return {
        publicKey: rawPublic(key),
        decapsulate: (ciphertext) => plain(decapsulate(key, ciphertext)),
      };
    },
    encapsulate(publicKey, m) {
      try {
        // OpenSSL takes no given randomness
        if (m !== undefined) {
          const { sharedSecret, cipherText } = ml_kem768.encapsulate(publicKey, m);
          return { secret: sharedSecret, ciphertext: cipherText };
        }
        const { sharedKey, ciphertext } = encapsulate(publicKeyOf('ml-kem-768', publicKey));
        return { secret: plain(sharedKey), ciphertext: plain(ciphertext) };
      } catch {
        return undefined;
      }
    },
  },
  ed25519: {
    publicKey: (seed) => rawPublic(privateKeyOf('ed25519', 'raw-private', seed)),
    sign: (message, seed) => plain(sign(null, message, privateKeyOf('ed25519', 'raw-private', seed))),
    verify(signature, message, publicKey) {
      try {
        return verify(null, message, publicKeyOf('ed25519', publicKey), signature);
      } catch {
        return false;
      }
    },
  },
  mlDsa65: {
    publicKey: (seed) => rawPublic(privateKeyOf('ml-dsa-65', 'raw-seed', seed)),
    sign: (message, seed, context) =>
      plain(sign(null, message, withContext(privateKeyOf('ml-dsa-65', 'raw-seed', seed), context))),
    verify(signature, message, publicKey, context) {
      try {
        return verify(null, message, withContext(publicKeyOf('ml-dsa-65', publicKey), context), signature);
      } catch {
        return false;
      }
    },
  },
};

const tagBytes = 16;
const zeroNonce = new Uint8Array(16);

/** The same bytes without Buffer's methods, which differ from Uint8Array's. */
function plain(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length);
}

function succeeds(step: () => unknown): boolean {
  try {
    step();
    return true;
  } catch {
    return false;
  }
}

/** Node types the two AEADs apart; they are used alike. */
function gcmType(aead: Aead): 'aes-256-gcm' {
  return aead as 'aes-256-gcm';
}

type KeyType = 'x25519' | 'ed25519' | 'ml-kem-768' | 'ml-dsa-65';

// @types/node does not know the raw formats yet.
function privateKeyOf(type: KeyType, format: 'raw-private' | 'raw-seed', key: Uint8Array): KeyObject {
  return createPrivateKey({ key, format, asymmetricKeyType: type } as unknown as PrivateKeyInput);
}

function publicKeyOf(type: KeyType, key: Uint8Array): KeyObject {
  return createPublicKey({ key, format: 'raw-public', asymmetricKeyType: type } as unknown as PublicKeyInput);
}

// Nor a signature's context.
function withContext(key: KeyObject, context: Uint8Array): SignKeyObjectInput & VerifyKeyObjectInput {
  return { key, context } as unknown as SignKeyObjectInput;
}

/** RFC 8410 SubjectPublicKeyInfo, in PEM: the twelve bytes before the key are always the same. */
function x25519Pem(key: Uint8Array): string {
  const encoded = Buffer.from(key.buffer, key.byteOffset, key.length).toString('base64');
  return `-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VuAyEA${encoded}\n-----END PUBLIC KEY-----\n`;
}

function rawPublic(privateKey: KeyObject): Uint8Array {
  const options = { format: 'raw-public' } as unknown as { format: 'der'; type: 'spki' };
  return plain(createPublicKey(privateKey).export(options));
}
