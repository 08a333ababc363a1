export { aead } from './aead.ts';
export {
  composite,
  compositePublicKeyBytes,
  compositeSeedBytes,
  compositeSignatureBytes,
} from './composite.ts';
export { ed25519 } from './ed25519.ts';
export { sha256 } from './hash.ts';
export {
  type HpkeContext,
  type HpkeRecipient,
  type HpkeSender,
  type HpkeSetting,
  hpkeSetting,
  setupRecipient,
  setupSender,
} from './hpke.ts';
export { decryptLioness, encryptLioness, type LionessBlock, lionessKeyBytes } from './lioness.ts';
export type { Aead, Encapsulated, StreamCipher } from './provider.ts';
export { below, exponential, type Random, shuffled, systemRandom, uniform } from './random.ts';
export {
  encapsulateXWing,
  loadXWing,
  type XWingKey,
  xwingCiphertextBytes,
  xwingPublicKeyBytes,
  xwingSeedBytes,
} from './xwing.ts';
