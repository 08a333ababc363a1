import {
  type AeadInterface,
  Aes256Gcm,
  CipherSuite,
  HkdfSha256,
  type RecipientContext,
  type SenderContext,
} from '@hpke/core';
import { XWing } from '@hpke/hybridkem-x-wing';
import { chacha20poly1305 } from '@noble/ciphers/chacha.js';

/*
 * HPKE by the @hpke packages, whose authors know nothing of ours: what they open and export is the standard's.
 */

/** SetupBaseR with the private key of a 32-byte seed. */
export async function judgeOpens(p: {
  suite: number;
  seed: Uint8Array;
  enc: Uint8Array;
  info: Uint8Array;
}): Promise<RecipientContext> {
  const suite = judge(p.suite);
  const recipientKey = await suite.kem.deserializePrivateKey(buffer(p.seed));
  return suite.createRecipientContext({ recipientKey, enc: buffer(p.enc), info: buffer(p.info) });
}

/** SetupBaseS to a public key. */
export async function judgeSeals(p: {
  suite: number;
  publicKey: Uint8Array;
  info: Uint8Array;
}): Promise<SenderContext> {
  const suite = judge(p.suite);
  const recipientPublicKey = await suite.kem.deserializePublicKey(buffer(p.publicKey));
  return suite.createSenderContext({ recipientPublicKey, info: buffer(p.info) });
}

/** The packages take buffers, not views. */
export function buffer(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}

function judge(suite: number): CipherSuite {
  return new CipherSuite({
    kem: new XWing(),
    kdf: new HkdfSha256(),
    aead: suite === 1 ? new Aes256Gcm() : chacha20Poly1305,
  });
}

/** The AEAD of suite 2, which @hpke/core leaves to others. */
const chacha20Poly1305: AeadInterface = {
  id: 0x0003,
  keySize: 32,
  nonceSize: 12,
  tagSize: 16,
  createEncryptionContext(key) {
    const cipher = (iv: Buffers, aad: Buffers) => chacha20poly1305(view(key), view(iv), view(aad));
    return {
      seal: async (iv, data, aad) => buffer(cipher(iv, aad).encrypt(view(data))),
      open: async (iv, data, aad) => buffer(cipher(iv, aad).decrypt(view(data))),
    };
  },
};

type Buffers = ArrayBufferLike | ArrayBufferView;

function view(bytes: Buffers): Uint8Array {
  return ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}
