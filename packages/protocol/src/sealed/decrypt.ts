import { cfb } from '@noble/ciphers/aes.js';
import { sha1 } from '@noble/hashes/legacy.js';
import { decryptSessionKeys, type PrivateKey, readMessage } from 'openpgp';
import { equalBytes } from '../codec/bytes.ts';
import { encodeHex } from '../codec/hex.ts';
import { type FramedPacket, framePackets, packetTypes } from '../codec/openpgp.ts';
import { maxSessionKeys } from './limits.ts';
import { policy } from './policy.ts';
import { requireUnlocked } from './usable.ts';

export type Decrypted =
  /** The packets that were encrypted, not looked at yet. */
  | { readonly kind: 'decrypted'; readonly content: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: DecryptRefusedReason };

/** Finds keys, unlocked, by their ids or their subkeys'; undefined when the message does not say whom it is for. */
export type FindKeys = (keyIds: readonly string[] | undefined) => Promise<readonly PrivateKey[]>;

export type DecryptRefusedReason =
  /** Not session keys and then encrypted data. */
  | 'malformed-openpgp'
  /** Session keys by the dozen. */
  | 'too-many-keys'
  /** Encrypted without protection of its integrity. */
  | 'no-integrity'
  /** Another version of the encrypted data than 1, or another cipher than AES. */
  | 'unknown-encryption'
  /** None of the keys opens it. */
  | 'no-key'
  /** Its integrity check fails. */
  | 'damaged';

// spec sealed 6.1
/**
 * Decrypts an OpenPGP message with whichever key fits: one that expired as well, since mail stays. The library unwraps the session key; what that
 * key encrypts is decrypted here, because the library would go on and parse any number of packets that come out, at 50 µs each.
 */
export async function decryptMessage(
  message: Uint8Array,
  decryptionKeys: readonly PrivateKey[] | FindKeys,
): Promise<Decrypted> {
  const packets = framePackets(message, mostPackets) ?? [];
  const data = packets.at(-1);
  const flaw = flawOf(packets.slice(0, -1), data);
  if (flaw !== undefined || data === undefined)
    return { kind: 'refused', reason: flaw ?? 'malformed-openpgp' };
  const keys =
    typeof decryptionKeys === 'function' ? await decryptionKeys(keyIdsOf(packets)) : decryptionKeys;
  requireUnlocked(keys);
  const sessionKeys = await unwrapSessionKeys(message.subarray(0, packets.at(-2)?.end ?? 0), keys);
  // Two session keys for one ciphertext are nobody's mistake.
  if (sessionKeys.length > 1) return { kind: 'refused', reason: 'malformed-openpgp' };
  const [found] = sessionKeys;
  if (found === undefined) return { kind: 'refused', reason: 'no-key' };
  if (!/^aes(?:128|192|256)$/.test(found.algorithm ?? ''))
    return { kind: 'refused', reason: 'unknown-encryption' };
  const content = decryptVersion1(data.body.subarray(1), found.data);
  return content === undefined ? { kind: 'refused', reason: 'damaged' } : { kind: 'decrypted', content };
}

/** The ids of the keys that the session keys are for: hexadecimal in lower case, 16 digits. */
function keyIdsOf(packets: readonly FramedPacket[]): string[] | undefined {
  const sessionKeys = packets.filter(({ type }) => type === packetTypes.publicKeyEncryptedSessionKey);
  const ids = sessionKeys.map(({ body }) => (body[0] === 3 ? encodeHex(body.subarray(1, 9)) : hiddenKeyId));
  return ids.includes(hiddenKeyId) ? undefined : ids;
}

/** RFC 9580 section 5.1.8. */
const hiddenKeyId = '0'.repeat(16);

function flawOf(
  keys: readonly FramedPacket[],
  data: FramedPacket | undefined,
): DecryptRefusedReason | undefined {
  if (keys.length > maxSessionKeys) return 'too-many-keys';
  if (keys.some(({ type, length }) => !sessionKeyTypes.includes(type) || length !== 'definite'))
    return 'malformed-openpgp';
  if (data?.type === packetTypes.symmetricallyEncrypted) return 'no-integrity';
  if (data?.type !== packetTypes.encryptedIntegrityProtected || data.length === 'indeterminate')
    return 'malformed-openpgp';
  return data.body[0] === 1 ? undefined : 'unknown-encryption';
}

async function unwrapSessionKeys(
  packets: Uint8Array,
  keys: readonly PrivateKey[],
): Promise<{ data: Uint8Array; algorithm: string | null }[]> {
  try {
    const message = await readMessage({ binaryMessage: packets, config: policy });
    return await decryptSessionKeys({ message, decryptionKeys: [...keys], config: policy });
  } catch {
    return [];
  }
}

/** RFC 9580 section 5.13.1: CFB with a zero IV; a prefix of a block and two octets; in the end the SHA-1 hash of all before. */
function decryptVersion1(encrypted: Uint8Array, key: Uint8Array): Uint8Array | undefined {
  if (encrypted.length < prefixBytes + hashHeader.length + hashBytes) return undefined;
  const plain = cfb(key, new Uint8Array(16)).decrypt(encrypted);
  const hashed = plain.subarray(0, -hashBytes);
  const intact = equalBytes(sha1(hashed), plain.subarray(-hashBytes));
  return intact && equalBytes(hashed.subarray(-hashHeader.length), hashHeader)
    ? hashed.subarray(prefixBytes, -hashHeader.length)
    : undefined;
}

const sessionKeyTypes: readonly number[] = [
  packetTypes.publicKeyEncryptedSessionKey,
  packetTypes.passwordEncryptedSessionKey,
];

/** Counting them is cheap, up to here. */
const mostPackets = 65_536;

const prefixBytes = 18;
const hashBytes = 20;
/** Of the packet that holds the hash. */
const hashHeader = Uint8Array.of(0xd3, 0x14);
