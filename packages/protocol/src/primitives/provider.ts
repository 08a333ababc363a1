/** What this package needs from a cryptographic library. `#provider` is one: `node.ts`, or `noble.ts` in a browser. */
export interface Provider {
  randomBytes(length: number): Uint8Array;
  sha256(data: Uint8Array): Uint8Array;
  sha3_256(data: Uint8Array): Uint8Array;
  sha512(data: Uint8Array): Uint8Array;
  /** HMAC-SHA256 (RFC 2104) with a key of at most 64 bytes, over long inputs. */
  hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array;
  /** XOR of `data` with the key stream of a 32-byte key and an all-zero nonce. */
  stream(cipher: StreamCipher, key: Uint8Array, data: Uint8Array): Uint8Array;
  /** Ciphertext followed by its 16-byte tag; no associated data. */
  aeadSeal(aead: Aead, key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array;
  /** The plaintext, or undefined when the tag is wrong or there is none. */
  aeadOpen(aead: Aead, key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
  readonly x25519: {
    load(privateKey: Uint8Array): X25519Key;
  };
  readonly mlKem768: {
    /** From the 64-byte seed d || z of FIPS 203. */
    load(seed: Uint8Array): MlKemKey;
    /** Randomness from the system, or the 32-byte m given. Undefined when FIPS 203 7.2 refuses the public key. */
    encapsulate(publicKey: Uint8Array, m?: Uint8Array): Encapsulated | undefined;
  };
  readonly ed25519: {
    publicKey(seed: Uint8Array): Uint8Array;
    sign(message: Uint8Array, seed: Uint8Array): Uint8Array;
    /** RFC 8032 verification; false for anything malformed. */
    verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
  };
  /** FIPS 204, hedged, with a context of up to 255 bytes. */
  readonly mlDsa65: {
    /** From the 32-byte seed ξ. */
    publicKey(seed: Uint8Array): Uint8Array;
    sign(message: Uint8Array, seed: Uint8Array, context: Uint8Array): Uint8Array;
    /** False for anything malformed. */
    verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array, context: Uint8Array): boolean;
  };
}

export type StreamCipher = 'aes-256-ctr' | 'chacha20';
export type Aead = 'aes-256-gcm' | 'chacha20-poly1305';

export interface X25519Key {
  readonly publicKey: Uint8Array;
  /** RFC 7748 X25519. Undefined when the result is all zero. */
  shared(peer: Uint8Array): Uint8Array | undefined;
}

export interface MlKemKey {
  readonly publicKey: Uint8Array;
  /** `ciphertext` is 1,088 bytes; a wrong one gives an unrelated secret (implicit rejection). */
  decapsulate(ciphertext: Uint8Array): Uint8Array;
}

export interface Encapsulated {
  readonly secret: Uint8Array;
  readonly ciphertext: Uint8Array;
}
