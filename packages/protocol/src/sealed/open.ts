import type { PrivateKey, PublicKey } from 'openpgp';
import { concat } from '../codec/bytes.ts';
import { fieldsNamed, type HeaderField, parseHeader } from '../codec/mime-header.ts';
import { messageToCrlf } from '../codec/mime-lines.ts';
import { type ContentRefusedReason, readContent } from './content.ts';
import { type DecryptRefusedReason, decryptMessage, type FindKeys } from './decrypt.ts';
import { maxMessageBytes } from './limits.ts';
import { type OuterRefusedReason, type ParsedOuter, parseOuter } from './outer.ts';
import { type Unprotected, unprotect } from './protect.ts';
import { requireUnlocked } from './usable.ts';
import { judge, type Verdict } from './verdict.ts';

export interface OpenOptions {
  /** The recipient's, not locked; or what finds them for a message, asked only when it is one. */
  readonly decryptionKeys: readonly PrivateKey[] | FindKeys;
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

export type OpenRefusedReason = OuterRefusedReason | DecryptRefusedReason | ContentRefusedReason;

// spec sealed 6
/** Opens any PGP/MIME message. No message makes it throw; a locked key does: `ProtocolError` `key-locked`. */
export async function open(sealed: Uint8Array, options: OpenOptions): Promise<Opened> {
  const { decryptionKeys, verificationKeys, date = new Date() } = options;
  if (typeof decryptionKeys !== 'function') requireUnlocked(decryptionKeys);
  const outer = parseOuter(sealed);
  if (outer.kind === 'refused') return outer;
  const decrypted = await decryptMessage(outer.encrypted, decryptionKeys);
  if (decrypted.kind === 'refused') return decrypted;
  const content = readContent(decrypted.content, maxMessageBytes + headroom);
  if (content.kind === 'refused') return content;
  const payload = payloadOf(content.literal);
  if (payload.kind === 'refused') return payload;
  const { protection } = payload;
  return {
    kind: 'opened',
    message: protection === 'none' ? withOuterFields(payload.message, outer) : payload.message,
    verdict: await judge(content.packets, verificationKeys, date),
    protection,
  };
}

/** For what protection puts into the header, and the signature. */
const headroom = 1_000_000;

// spec sealed 6.3
function payloadOf(literal: Uint8Array): Unprotected | { kind: 'refused'; reason: 'too-large' } {
  const text = messageToCrlf(literal);
  if (text === undefined) return { kind: 'refused', reason: 'malformed-content' };
  if (text.length > maxMessageBytes + headroom) return { kind: 'refused', reason: 'too-large' };
  if (text.includes(0)) return { kind: 'refused', reason: 'malformed-content' };
  return unprotect(text);
}

// spec sealed 6.3
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
