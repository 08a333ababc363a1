import { shake256 } from '@noble/hashes/sha3.js';
import { provider } from '#provider';
import { concat } from '../codec/bytes.ts';
import type { Encapsulated } from './provider.ts';
import { type Random, systemRandom } from './random.ts';

/** Sizes of X-Wing in bytes (draft-connolly-cfrg-xwing-kem, section 5). */
export const xwingSeedBytes = 32;
export const xwingPublicKeyBytes = 1216;
export const xwingCiphertextBytes = 1120;

/** A private key ready for use: parsed once, used for every packet of an epoch. */
export interface XWingKey {
  readonly publicKey: Uint8Array;
  /** The 32-byte secret of a 1,120-byte ciphertext; undefined when its X25519 part is a point of small order. */
  decapsulate(ciphertext: Uint8Array): Uint8Array | undefined;
}

/** X-Wing's expandDecapsulationKey, with both halves parsed. */
export function loadXWing(seed: Uint8Array): XWingKey {
  const expanded = shake256(seed, { dkLen: 96 });
  const mlKem = provider.mlKem768.load(expanded.subarray(0, 64));
  const x25519 = provider.x25519.load(expanded.slice(64));
  return {
    publicKey: concat(mlKem.publicKey, x25519.publicKey),
    decapsulate(ciphertext) {
      const point = ciphertext.subarray(mlKemCiphertextBytes);
      const shared = x25519.shared(point);
      if (shared === undefined) return undefined;
      const secret = mlKem.decapsulate(ciphertext.subarray(0, mlKemCiphertextBytes));
      return combine(secret, shared, point, x25519.publicKey);
    },
  };
}

/**
 * X-Wing's Encapsulate. With a `random` other than the system's it is EncapsulateDerand over the next 64 bytes of it;
 * with the system's the library draws its own, natively. Undefined when the public key is not valid.
 */
export function encapsulateXWing(
  publicKey: Uint8Array,
  random: Random = systemRandom,
): Encapsulated | undefined {
  if (publicKey.length !== xwingPublicKeyBytes) return undefined;
  const given = random === systemRandom ? undefined : random.bytes(64);
  const mlKem = provider.mlKem768.encapsulate(
    publicKey.subarray(0, mlKemPublicKeyBytes),
    given?.subarray(0, 32),
  );
  const peer = publicKey.subarray(mlKemPublicKeyBytes);
  const ephemeral = provider.x25519.load(given?.slice(32) ?? systemRandom.bytes(32));
  const shared = ephemeral.shared(peer);
  if (mlKem === undefined || shared === undefined) return undefined;
  return {
    secret: combine(mlKem.secret, shared, ephemeral.publicKey, peer),
    ciphertext: concat(mlKem.ciphertext, ephemeral.publicKey),
  };
}

const mlKemPublicKeyBytes = 1184;
const mlKemCiphertextBytes = 1088;

/** The six ASCII characters `\.//^\` of the draft. */
const label = Uint8Array.of(0x5c, 0x2e, 0x2f, 0x2f, 0x5e, 0x5c);

function combine(
  mlKem: Uint8Array,
  x25519: Uint8Array,
  point: Uint8Array,
  publicKey: Uint8Array,
): Uint8Array {
  return provider.sha3_256(concat(mlKem, x25519, point, publicKey, label));
}
