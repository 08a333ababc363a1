import { provider } from '#provider';
import type { Aead } from './provider.ts';

interface Sealing {
  seal(aead: Aead, key: Uint8Array, nonce: Uint8Array, plaintext: Uint8Array): Uint8Array;
  open(aead: Aead, key: Uint8Array, nonce: Uint8Array, sealed: Uint8Array): Uint8Array | undefined;
}

/** RFC 5116 with no associated data: 32-byte keys, 12-byte nonces, a 16-byte tag at the end. `open` gives nothing for a wrong tag. */
export const aead: Sealing = {
  seal: (name, key, nonce, plaintext) => provider.aeadSeal(name, key, nonce, plaintext),
  open: (name, key, nonce, sealed) => provider.aeadOpen(name, key, nonce, sealed),
};
