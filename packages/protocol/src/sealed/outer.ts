import { decodeArmor, encodeArmor } from '../codec/armor.ts';
import { concat } from '../codec/bytes.ts';
import { encodeHex } from '../codec/hex.ts';
import {
  characters,
  fieldsNamed,
  type HeaderField,
  hasRepeated,
  octets,
  parseHeader,
} from '../codec/mime-header.ts';
import { messageToCrlf } from '../codec/mime-lines.ts';
import { splitParts } from '../codec/mime-parts.ts';
import { type MediaType, parameterOf, parseMediaType } from '../codec/mime-type.ts';
import { systemRandom } from '../primitives/index.ts';
import { maxSealedBytes } from './limits.ts';
import { ambiguousFields, type OuterField } from './protect.ts';

// spec sealed 5
/** RFC 3156 section 4 around an OpenPGP message. Every text in it but the fields has one length. */
export function formatOuter(fields: readonly OuterField[], encrypted: Uint8Array): Uint8Array {
  const boundary = encodeHex(systemRandom.bytes(16));
  const head = [
    ...fields.map(([name, value]) => `${name}: ${value}`),
    'MIME-Version: 1.0',
    'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";',
    ` boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: application/pgp-encrypted',
    '',
    'Version: 1',
    '',
    `--${boundary}`,
    'Content-Type: application/octet-stream',
    '',
    '',
  ];
  return concat(octets(head.join('\r\n')), encodeArmor(encrypted), octets(`\r\n--${boundary}--\r\n`));
}

export type ParsedOuter =
  | {
      readonly kind: 'outer';
      readonly fields: readonly HeaderField[];
      /** All of the header, to cut fields out of. */
      readonly bytes: Uint8Array;
      /** The OpenPGP message, without armor. */
      readonly encrypted: Uint8Array;
    }
  | { readonly kind: 'refused'; readonly reason: OuterRefusedReason };

export type OuterRefusedReason =
  | 'too-large'
  | 'nul'
  | 'malformed-header'
  | 'header-too-large'
  /** A field twice that decides how the message is read. */
  | 'repeated-field'
  /** No PGP/MIME. */
  | 'not-encrypted'
  /** PGP/MIME, but not the two parts that it consists of. */
  | 'malformed-parts'
  | 'malformed-armor';

// spec sealed 6
/** Takes any PGP/MIME message, with CRLF or LF behind its lines. */
export function parseOuter(sealed: Uint8Array): ParsedOuter {
  if (sealed.length > maxSealedBytes) return { kind: 'refused', reason: 'too-large' };
  if (sealed.includes(0)) return { kind: 'refused', reason: 'nul' };
  const bytes = messageToCrlf(sealed);
  if (bytes === undefined) return { kind: 'refused', reason: 'malformed-header' };
  const header = parseHeader(bytes);
  if (header.kind === 'refused') return header;
  const { fields, bodyAt } = header;
  if (hasRepeated(fields, ambiguousFields)) return { kind: 'refused', reason: 'repeated-field' };
  const media = mediaTypeOf(fields);
  if (media?.type !== 'multipart/encrypted' || parameterOf(media, 'protocol')?.toLowerCase() !== protocol)
    return { kind: 'refused', reason: 'not-encrypted' };
  const armored = isPlain(fields)
    ? armoredPart(bytes.subarray(bodyAt), parameterOf(media, 'boundary'))
    : undefined;
  if (armored === undefined) return { kind: 'refused', reason: 'malformed-parts' };
  const encrypted = decodeArmor(armored);
  if (encrypted === undefined) return { kind: 'refused', reason: 'malformed-armor' };
  return { kind: 'outer', fields, bytes, encrypted };
}

const protocol = 'application/pgp-encrypted';

function armoredPart(body: Uint8Array, boundary: string | undefined): Uint8Array | undefined {
  const [control, data] = (boundary === undefined ? undefined : splitParts(body, boundary, 2)) ?? [];
  const version = control === undefined ? undefined : bodyOf(control, protocol);
  if (version === undefined || !/^\s*Version:[ \t]*1\s*$/i.test(characters(version.subarray(0, 1024))))
    return undefined;
  return data === undefined ? undefined : bodyOf(data, 'application/octet-stream');
}

/** The body of a part of that type that needs no decoding. */
function bodyOf(part: Uint8Array, type: string): Uint8Array | undefined {
  const header = parseHeader(part);
  if (header.kind === 'refused' || hasRepeated(header.fields, ambiguousFields)) return undefined;
  if (mediaTypeOf(header.fields)?.type !== type || !isPlain(header.fields)) return undefined;
  return part.subarray(header.bodyAt);
}

function mediaTypeOf(fields: readonly HeaderField[]): MediaType | undefined {
  const [type] = fieldsNamed(fields, 'content-type');
  return type === undefined ? undefined : parseMediaType(type.value);
}

/** RFC 2045 section 6.4: nothing else is allowed on a multipart, and armor needs nothing else. */
function isPlain(fields: readonly HeaderField[]): boolean {
  const [encoding] = fieldsNamed(fields, 'content-transfer-encoding');
  return encoding === undefined || /^\s*(?:7bit|8bit|binary)\s*$/i.test(encoding.value);
}
