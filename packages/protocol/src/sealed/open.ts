import { LiteralDataPacket, type PrivateKey, type PublicKey } from 'openpgp';
import { concat } from '../codec/bytes.ts';
import { fieldsNamed, type HeaderField, parseHeader } from '../codec/mime-header.ts';
import { toCrlf } from '../codec/mime-lines.ts';
import { framePackets, packetTypes } from '../codec/openpgp.ts';
import { type DecryptRefusedReason, decryptPackets } from './decrypt.ts';
import { maxMessageBytes, maxSessionKeys, maxSignatures } from './limits.ts';
import { type OuterRefusedReason, type ParsedOuter, parseOuter } from './outer.ts';
import { type Unprotected, unprotect } from './protect.ts';
import { requireUnlocked } from './usable.ts';
import { judge, type Verdict } from './verdict.ts';

export interface OpenOptions {
  /** The recipient's, not locked. */
  readonly decryptionKeys: readonly PrivateKey[];
  /** Of those who may have signed. */
  readonly verificationKeys: readonly PublicKey[];
  /** When signatures are judged; the present unless given. */
  readonly date?: Date;
}

export type Opened =
  | {
      readonly kind: 'opened';
      /** The message as its author sealed it; lines end in CRLF. */
      readonly message: Uint8Array;
      /** Of all of `message` but, when `protection` is `none`, the fields that came from outside. */
      readonly verdict: Verdict;
      readonly protection: 'cipher' | 'clear' | 'none';
    }
  | { readonly kind: 'refused'; readonly reason: OpenRefusedReason };

export type OpenRefusedReason =
  | OuterRefusedReason
  | DecryptRefusedReason
  /** Session keys by the dozen. */
  | 'too-many-keys'
  /** Encrypted without protection of its integrity. */
  | 'no-integrity'
  /** What was encrypted is no message, or has two readings. */
  | 'malformed-content';

// spec sealed 6
/** Opens any PGP/MIME message. No message makes it throw; a locked key does: `ProtocolError` `key-locked`. */
export async function open(sealed: Uint8Array, options: OpenOptions): Promise<Opened> {
  const { decryptionKeys, verificationKeys, date = new Date() } = options;
  requireUnlocked(decryptionKeys);
  const outer = parseOuter(sealed);
  if (outer.kind === 'refused') return outer;
  const flaw = shapeFlaw(outer.encrypted);
  if (flaw !== undefined) return { kind: 'refused', reason: flaw };
  const decrypted = await decryptPackets(outer.encrypted, decryptionKeys, maxMessageBytes + headroom);
  if (decrypted.kind === 'refused') return decrypted;
  const literals = decrypted.packets.filter((packet) => packet instanceof LiteralDataPacket);
  const payload = literals.length === 1 ? decrypted.message.getLiteralData() : null;
  if (payload === null || decrypted.packets.length > 1 + 2 * maxSignatures)
    return { kind: 'refused', reason: 'malformed-content' };
  const content = contentOf(payload);
  if (content.kind === 'refused') return content;
  return {
    kind: 'opened',
    message: content.protection === 'none' ? withOuterFields(content.message, outer) : content.message,
    verdict: await judge(decrypted.message, verificationKeys, date),
    protection: content.protection,
  };
}

// spec sealed 6.1
function shapeFlaw(
  encrypted: Uint8Array,
): 'malformed-openpgp' | 'too-many-keys' | 'no-integrity' | undefined {
  const packets = framePackets(encrypted, mostPackets) ?? [];
  const keys = packets.slice(0, -1);
  if (keys.some(({ type, partial }) => !sessionKeyTypes.includes(type) || partial))
    return 'malformed-openpgp';
  if (keys.length > maxSessionKeys) return 'too-many-keys';
  const type = packets.at(-1)?.type;
  if (type === packetTypes.symmetricallyEncrypted) return 'no-integrity';
  return type === packetTypes.encryptedIntegrityProtected ? undefined : 'malformed-openpgp';
}

const sessionKeyTypes: readonly number[] = [
  packetTypes.publicKeyEncryptedSessionKey,
  packetTypes.passwordEncryptedSessionKey,
];

/** Counting them is cheap, up to here. */
const mostPackets = 65_536;

/** For what protection puts into the header, and the signature. */
const headroom = 1_000_000;

// spec sealed 6.2
function contentOf(payload: Uint8Array): Unprotected | { kind: 'refused'; reason: 'too-large' } {
  const text = toCrlf(payload);
  if (text.length > maxMessageBytes + headroom) return { kind: 'refused', reason: 'too-large' };
  if (text.includes(0)) return { kind: 'refused', reason: 'malformed-content' };
  return unprotect(text);
}

// spec sealed 6.2
/** Without header protection the subject, and who wrote, stand outside only, where anybody on the way could have put them. */
function withOuterFields(entity: Uint8Array, outer: ParsedOuter & { kind: 'outer' }): Uint8Array {
  const inner = parseHeader(entity);
  const innerFields = inner.kind === 'header' ? inner.fields : [];
  const missing = outer.fields.filter(
    (field) => !isStructural(field) && fieldsNamed(innerFields, field.name).length === 0,
  );
  return concat(...missing.map(({ start, end }) => outer.bytes.subarray(start, end)), entity);
}

/** RFC 9788 section 1.8: fields that say how the body is to be read. */
function isStructural({ name }: HeaderField): boolean {
  return /^(?:mime-version|content-.*)$/i.test(name);
}
