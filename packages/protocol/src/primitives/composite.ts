import { provider } from '#provider';
import { concat } from '../codec/bytes.ts';
import { type Random, systemRandom } from './random.ts';

/** Sizes in bytes of MLDSA65-Ed25519-SHA512: the ML-DSA part comes first, then that of Ed25519. */
export const compositeSeedBytes = 64;
export const compositePublicKeyBytes = 1984;
export const compositeSignatureBytes = 3373;

interface Composite {
  generate(random?: Random): { privateKey: Uint8Array; publicKey: Uint8Array };
  publicKey(seed: Uint8Array): Uint8Array;
  sign(message: Uint8Array, seed: Uint8Array, context?: Uint8Array): Uint8Array;
  verify(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array, context?: Uint8Array): boolean;
}

/**
 * Composite ML-DSA-65 and Ed25519 with SHA-512 (draft-ietf-lamps-pq-composite-sigs, section 3): holds as long as either of the two does.
 * Private keys are the two seeds of 32 bytes; a context has 255 bytes at most. `verify` never throws.
 */
export const composite: Composite = {
  generate(random = systemRandom) {
    const privateKey = random.bytes(compositeSeedBytes);
    return { privateKey, publicKey: composite.publicKey(privateKey) };
  },
  publicKey(seed) {
    const { mlDsa, ed25519 } = parts(seed, 32);
    return concat(provider.mlDsa65.publicKey(mlDsa), provider.ed25519.publicKey(ed25519));
  },
  sign(message, seed, context = none) {
    const { mlDsa, ed25519 } = parts(seed, 32);
    const representative = represent(message, context);
    return concat(
      provider.mlDsa65.sign(representative, mlDsa, label),
      provider.ed25519.sign(representative, ed25519),
    );
  },
  verify(signature, message, publicKey, context = none) {
    if (signature.length !== compositeSignatureBytes || publicKey.length !== compositePublicKeyBytes)
      return false;
    const of = parts(signature, 3309);
    const by = parts(publicKey, 1952);
    const representative = represent(message, context);
    return (
      provider.ed25519.verify(of.ed25519, representative, by.ed25519) &&
      provider.mlDsa65.verify(of.mlDsa, representative, by.mlDsa, label)
    );
  },
};

const utf8 = new TextEncoder();
const none = new Uint8Array();
const prefix = utf8.encode('CompositeAlgorithmSignatures2025');
const label = utf8.encode('COMPSIG-MLDSA65-Ed25519-SHA512');

function represent(message: Uint8Array, context: Uint8Array): Uint8Array {
  if (context.length > 255) throw new RangeError('a context has 255 bytes at most');
  return concat(prefix, label, Uint8Array.of(context.length), context, provider.sha512(message));
}

function parts(whole: Uint8Array, mlDsaBytes: number): { mlDsa: Uint8Array; ed25519: Uint8Array } {
  return { mlDsa: whole.slice(0, mlDsaBytes), ed25519: whole.slice(mlDsaBytes) };
}
