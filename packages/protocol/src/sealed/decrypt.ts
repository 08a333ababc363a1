import {
  type AnyPacket,
  config,
  decryptSessionKeys,
  type Message,
  type PrivateKey,
  readMessage,
} from 'openpgp';
import { policy } from './policy.ts';

export type Decrypted =
  | {
      readonly kind: 'decrypted';
      readonly packets: readonly AnyPacket[];
      readonly message: Message<Uint8Array>;
    }
  | { readonly kind: 'refused'; readonly reason: DecryptRefusedReason };

export type DecryptRefusedReason =
  /** No packets that OpenPGP knows in this place. */
  | 'malformed-openpgp'
  /** None of the keys opens it. */
  | 'no-key'
  /** Its integrity check fails, or it is longer than it may be once decompressed. */
  | 'damaged';

/**
 * Decrypts with whichever key fits: one that expired as well, since mail stays. Nothing of what was encrypted comes out unless all of it is
 * intact.
 */
export async function decryptPackets(
  bytes: Uint8Array,
  keys: readonly PrivateKey[],
  maxDecompressedMessageSize: number,
): Promise<Decrypted> {
  const limits = { ...config, ...policy, maxDecompressedMessageSize };
  const message = await readMessage({ binaryMessage: bytes, config: limits }).catch(() => undefined);
  if (message === undefined) return { kind: 'refused', reason: 'malformed-openpgp' };
  const sessionKeys = await decryptSessionKeys({ message, decryptionKeys: [...keys], config: limits }).catch(
    () => [],
  );
  // Two session keys for one ciphertext are nobody's mistake.
  if (sessionKeys.length > 1) return { kind: 'refused', reason: 'malformed-openpgp' };
  const [found] = sessionKeys;
  if (found === undefined) return { kind: 'refused', reason: 'no-key' };
  try {
    const inner = await message.decrypt(undefined, undefined, [found as SessionKeyFound], undefined, limits);
    const plain = inner.unwrapCompressed() as Message<Uint8Array>;
    return { kind: 'decrypted', packets: [...plain.packets], message: plain };
  } catch {
    return { kind: 'refused', reason: 'damaged' };
  }
}

/** What the library gives and takes; its types are stricter than its code about version 2 of the encrypted data. */
type SessionKeyFound = NonNullable<Parameters<Message<Uint8Array>['decrypt']>[2]>[number];
