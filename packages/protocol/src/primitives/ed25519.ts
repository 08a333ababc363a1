import { provider } from '#provider';
import { type Random, systemRandom } from './random.ts';

interface Ed25519 {
  generate(random?: Random): { privateKey: Uint8Array; publicKey: Uint8Array };
  publicKey(seed: Uint8Array): Uint8Array;
  sign(message: Uint8Array, seed: Uint8Array): Uint8Array;
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
}

/** RFC 8032 Ed25519. Private keys are the 32-byte seed, public keys 32 bytes, signatures 64. `verify` never throws. */
export const ed25519: Ed25519 = {
  generate(random = systemRandom) {
    const privateKey = random.bytes(32);
    return { privateKey, publicKey: provider.ed25519.publicKey(privateKey) };
  },
  publicKey: (seed) => provider.ed25519.publicKey(seed),
  sign: (message, seed) => provider.ed25519.sign(message, seed),
  verify: (signature, message, publicKey) => provider.ed25519.verify(signature, message, publicKey),
};
