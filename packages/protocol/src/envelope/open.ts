import { LiteralDataPacket, type PrivateKey, readPrivateKey } from 'openpgp';
import { framePackets, packetTypes } from '../codec/openpgp.ts';
import { ProtocolError } from '../errors.ts';
import { decryptPackets } from '../sealed/decrypt.ts';
import { policy } from '../sealed/policy.ts';
import { requireUnlocked } from '../sealed/usable.ts';
import { decodeFragment, type Fragment, type FragmentRefusedReason } from './fragment.ts';

/** A domain's secret key, parsed. */
export interface EnvelopeKey {
  readonly privateKey: PrivateKey;
}

/** `secretKey`: a binary transferable secret key (RFC 9580 section 10.2), not locked. Throws `ProtocolError` `wrong-key`, `key-locked`. */
export async function loadEnvelopeKey(secretKey: Uint8Array): Promise<EnvelopeKey> {
  const privateKey = await readPrivateKey({ binaryKey: secretKey, config: policy }).catch(
    (cause: unknown) => {
      throw new ProtocolError('wrong-key', 'the domain’s key is no OpenPGP secret key', { cause });
    },
  );
  requireUnlocked([privateKey]);
  return { privateKey };
}

export type OpenedEnvelope =
  | { readonly kind: 'fragment'; readonly fragment: Fragment }
  | { readonly kind: 'refused'; readonly reason: EnvelopeRefusedReason };

export type EnvelopeRefusedReason =
  /** Not one session key without a key id, then integrity-protected data, and nothing else. */
  | 'wrong-shape'
  | 'no-key'
  | 'damaged'
  /** What was encrypted is not one literal packet. */
  | 'wrong-content'
  | FragmentRefusedReason;

// spec envelope 4
/** Tries every key. No input makes it throw. */
export async function openEnvelope(bytes: Uint8Array, keys: readonly EnvelopeKey[]): Promise<OpenedEnvelope> {
  if (!hasShape(bytes)) return { kind: 'refused', reason: 'wrong-shape' };
  const decrypted = await decryptPackets(
    bytes,
    keys.map(({ privateKey }) => privateKey),
    0,
  );
  if (decrypted.kind === 'refused') {
    const { reason } = decrypted;
    return { kind: 'refused', reason: reason === 'malformed-openpgp' ? 'wrong-shape' : reason };
  }
  const [literal, ...others] = decrypted.packets;
  const data =
    others.length === 0 && literal instanceof LiteralDataPacket ? decrypted.message.getLiteralData() : null;
  return data === null ? { kind: 'refused', reason: 'wrong-content' } : decodeFragment(data);
}

// spec envelope 2.1
function hasShape(bytes: Uint8Array): boolean {
  const packets = framePackets(bytes, 2);
  if (packets?.length !== 2 || packets.some(({ partial }) => partial)) return false;
  const [key, data] = packets;
  return (
    key?.type === packetTypes.publicKeyEncryptedSessionKey &&
    key.body[0] === 3 &&
    key.body.length > 10 &&
    key.body.subarray(1, 9).every((byte) => byte === 0) &&
    data?.type === packetTypes.encryptedIntegrityProtected &&
    data.body[0] === 1
  );
}
