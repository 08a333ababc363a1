import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { provider as noble } from './noble.ts';
import { provider as node } from './node.ts';
import type { Aead, StreamCipher } from './provider.ts';

const providers = [
  ['node:crypto', node, noble],
  ['noble', noble, node],
] as const;
const key = fc.uint8Array({ minLength: 32, maxLength: 32 });
const nonce = fc.uint8Array({ minLength: 12, maxLength: 12 });
const data = fc.uint8Array({ maxLength: 3000 });
const few = { numRuns: 20 };

describe.each(providers)('%s agrees with the other provider', (_, one, other) => {
  test('on hashes', () => {
    fc.assert(
      fc.property(data, key, (message, k) => {
        expect(one.sha256(message)).toEqual(other.sha256(message));
        expect(one.sha3_256(message)).toEqual(other.sha3_256(message));
        expect(one.sha512(message)).toEqual(other.sha512(message));
        expect(one.hmacSha256(k, message)).toEqual(other.hmacSha256(k, message));
      }),
    );
  });

  test('on key streams', () => {
    fc.assert(
      fc.property(fc.constantFrom<StreamCipher>('aes-256-ctr', 'chacha20'), key, data, (cipher, k, text) => {
        const streamed = one.stream(cipher, k, text);
        expect(streamed).toEqual(other.stream(cipher, k, text));
        expect(one.stream(cipher, k, streamed)).toEqual(text);
      }),
    );
  });

  test('on AEADs, and opens nothing that was changed', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<Aead>('aes-256-gcm', 'chacha20-poly1305'),
        key,
        nonce,
        data,
        fc.nat(),
        (aead, k, n, text, position) => {
          const sealed = one.aeadSeal(aead, k, n, text);
          expect(sealed).toEqual(other.aeadSeal(aead, k, n, text));
          expect(other.aeadOpen(aead, k, n, sealed)).toEqual(text);
          const changed = sealed.slice();
          changed[position % sealed.length] = (changed[position % sealed.length] ?? 0) ^ 1;
          expect(one.aeadOpen(aead, k, n, changed)).toBeUndefined();
          expect(one.aeadOpen(aead, k, n, sealed.subarray(0, position % sealed.length))).toBeUndefined();
        },
      ),
    );
  });

  test('on X25519', () => {
    fc.assert(
      fc.property(key, key, (a, b) => {
        const mine = one.x25519.load(a);
        const theirs = other.x25519.load(b);
        expect(mine.publicKey).toEqual(other.x25519.load(a).publicKey);
        expect(mine.shared(theirs.publicKey)).toEqual(theirs.shared(mine.publicKey));
      }),
      few,
    );
  });

  test.each([0, 1])('on refusing the X25519 point of small order %i', (first) => {
    const point = Uint8Array.of(first, ...new Uint8Array(31));
    expect(one.x25519.load(one.randomBytes(32)).shared(point)).toBeUndefined();
  });

  test('on ML-KEM-768', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 64, maxLength: 64 }), key, (seed, m) => {
        const mine = one.mlKem768.load(seed);
        const theirs = other.mlKem768.load(seed);
        expect(mine.publicKey).toEqual(theirs.publicKey);
        const given = one.mlKem768.encapsulate(mine.publicKey, m);
        expect(given).toEqual(other.mlKem768.encapsulate(mine.publicKey, m));
        const own = one.mlKem768.encapsulate(mine.publicKey);
        for (const encapsulated of [given, own]) {
          if (encapsulated === undefined) throw new Error('a good key refused');
          expect(theirs.decapsulate(encapsulated.ciphertext)).toEqual(encapsulated.secret);
        }
        const noise = one.randomBytes(1088);
        expect(mine.decapsulate(noise)).toEqual(theirs.decapsulate(noise));
      }),
      few,
    );
  });

  test('on refusing an ML-KEM public key that is not reduced or not of its length', () => {
    expect(one.mlKem768.encapsulate(new Uint8Array(1184).fill(0xff))).toBeUndefined();
    expect(one.mlKem768.encapsulate(new Uint8Array(1184).fill(0xff), new Uint8Array(32))).toBeUndefined();
    expect(one.mlKem768.encapsulate(new Uint8Array(1183))).toBeUndefined();
  });

  test('on Ed25519', () => {
    fc.assert(
      fc.property(key, data, (seed, message) => {
        const signature = one.ed25519.sign(message, seed);
        const publicKey = one.ed25519.publicKey(seed);
        expect(signature).toEqual(other.ed25519.sign(message, seed));
        expect(publicKey).toEqual(other.ed25519.publicKey(seed));
        expect(other.ed25519.verify(signature, message, publicKey)).toBe(true);
        expect(other.ed25519.verify(signature, Uint8Array.of(...message, 0), publicKey)).toBe(false);
      }),
      few,
    );
  });

  test('on ML-DSA-65', () => {
    fc.assert(
      fc.property(key, data, fc.uint8Array({ maxLength: 255 }), (seed, message, context) => {
        const publicKey = one.mlDsa65.publicKey(seed);
        expect(publicKey).toEqual(other.mlDsa65.publicKey(seed));
        const signature = one.mlDsa65.sign(message, seed, context);
        const held = [
          other.mlDsa65.verify(signature, message, publicKey, context),
          other.mlDsa65.verify(signature, Uint8Array.of(...message, 0), publicKey, context),
          other.mlDsa65.verify(signature, message, publicKey, Uint8Array.of(...context.slice(1), 1, 1)),
          other.mlDsa65.verify(signature.slice(1), message, publicKey, context),
          other.mlDsa65.verify(signature, message, publicKey.slice(1), context),
        ];
        expect(held).toEqual([true, false, false, false, false]);
      }),
      few,
    );
  });

  test('on what is no signature', () => {
    const publicKey = one.ed25519.publicKey(new Uint8Array(32).fill(7));
    const signature = one.ed25519.sign(new Uint8Array(3), new Uint8Array(32).fill(7));
    for (const provider of [one, other]) {
      expect(provider.ed25519.verify(signature.subarray(1), new Uint8Array(3), publicKey)).toBe(false);
      expect(provider.ed25519.verify(signature, new Uint8Array(3), publicKey.subarray(1))).toBe(false);
      expect(provider.ed25519.verify(highS(signature), new Uint8Array(3), publicKey)).toBe(false);
    }
  });

  test('random bytes are as many as asked for, and differ', () => {
    expect(one.randomBytes(0)).toHaveLength(0);
    expect(one.randomBytes(100_000)).toHaveLength(100_000);
    expect(one.randomBytes(32)).not.toEqual(one.randomBytes(32));
  });
});

/** The same signature with the group order added to S: RFC 8032 5.1.7 refuses it. */
function highS(signature: Uint8Array): Uint8Array {
  const order = 2n ** 252n + 27742317777372353535851937790883648493n;
  let s = signature.slice(32).reduceRight((value, byte) => value * 256n + BigInt(byte), 0n) + order;
  const changed = signature.slice();
  for (let i = 32; i < 64; i++, s >>= 8n) changed[i] = Number(s & 255n);
  return changed;
}
