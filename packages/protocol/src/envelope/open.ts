import { type PrivateKey, readPrivateKey } from 'openpgp';
import { equalBytes } from '../codec/bytes.ts';
import { framePackets, packetTypes } from '../codec/openpgp.ts';
import { ProtocolError } from '../errors.ts';
import { decryptMessage } from '../sealed/decrypt.ts';
import { policy } from '../sealed/policy.ts';
import { requireUnlocked } from '../sealed/usable.ts';
import { decodeFragment, type Fragment, type FragmentRefusedReason } from './fragment.ts';
import { literalFields } from './seal.ts';

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
  /** What was encrypted is not one literal packet and padding. */
  | 'wrong-content'
  | FragmentRefusedReason;

// spec envelope 4
/** Tries every key. No input makes it throw. */
export async function openEnvelope(bytes: Uint8Array, keys: readonly EnvelopeKey[]): Promise<OpenedEnvelope> {
  if (!hasShape(bytes)) return { kind: 'refused', reason: 'wrong-shape' };
  const decrypted = await decryptMessage(
    bytes,
    keys.map(({ privateKey }) => privateKey),
  );
  if (decrypted.kind === 'refused') {
    const { reason } = decrypted;
    return { kind: 'refused', reason: reason === 'no-key' || reason === 'damaged' ? reason : 'wrong-shape' };
  }
  const data = literalOf(decrypted.content);
  return data === undefined ? { kind: 'refused', reason: 'wrong-content' } : decodeFragment(data);
}

// spec envelope 2.1
function hasShape(bytes: Uint8Array): boolean {
  const packets = framePackets(bytes, 2);
  if (packets?.length !== 2 || packets.some(({ length }) => length !== 'definite')) return false;
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

// spec envelope 2.2
/** A literal packet whose fields say nothing, then padding; both with lengths of five octets. */
function literalOf(content: Uint8Array): Uint8Array | undefined {
  const [literal, padding, ...others] = framePackets(content, 2) ?? [];
  if (literal?.type !== packetTypes.literalData || padding?.type !== packetTypes.padding || others.length > 0)
    return undefined;
  const written =
    hasWrittenHeader(content, 0, packetTypes.literalData) &&
    hasWrittenHeader(content, literal.end, packetTypes.padding);
  const fields = literal.body.subarray(0, literalFields.length);
  return written && equalBytes(fields, literalFields)
    ? literal.body.subarray(literalFields.length)
    : undefined;
}

/** As `writePacket` writes it. Other encodings of a length may be as long. */
function hasWrittenHeader(content: Uint8Array, at: number, type: number): boolean {
  return content[at] === (0xc0 | type) && content[at + 1] === 0xff;
}
