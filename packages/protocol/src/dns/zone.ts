import { decodeBase64, encodeBase64 } from '../codec/base64.ts';
import { ProtocolError } from '../errors.ts';
import { isDomain } from '../packet/domain.ts';
import { decodeRecord, type RecordRefusedReason } from './decode.ts';
import { type DomainRecord, openpgpkeyLabel } from './record.ts';
import { formatTags } from './tags.ts';

// spec dns 2
/** The two records as lines of a zone file. Throws `ProtocolError` `wrong-record` for what `parseZone` would refuse. */
export function formatZone(record: DomainRecord): string {
  const { domain, certificate } = record;
  const strings = formatTags(record)
    .match(/.{1,255}/g)
    ?.map((string) => `"${string}"`);
  const zone = [
    `${textOwner(domain)} IN TXT ${strings?.join(' ')}`,
    `${certificateOwner(domain)} IN OPENPGPKEY ${encodeBase64(certificate)}`,
    '',
  ].join('\n');
  const parsed = parseZone(zone, record.expires - 1);
  if (parsed.kind === 'refused')
    throw new ProtocolError('wrong-record', `the record of the domain does not hold: ${parsed.reason}`);
  return zone;
}

export type ParsedZone =
  | { readonly kind: 'record'; readonly record: DomainRecord }
  | { readonly kind: 'refused'; readonly reason: ZoneRefusedReason };

export type ZoneRefusedReason =
  | 'too-large'
  /** A line is no record of class IN with a full name. */
  | 'malformed-line'
  /** A record of another type than the two. */
  | 'unknown-record'
  | 'no-text'
  | 'two-texts'
  | 'no-certificate'
  | 'two-certificates'
  /** The text record lies elsewhere than at `_securemail` below a domain. */
  | 'wrong-text-owner'
  /** The certificate does not lie where the domain's mailbox puts it. */
  | 'wrong-certificate-owner'
  | 'malformed-certificate-line'
  | RecordRefusedReason;

// spec dns 3
/** `now`: Unix seconds. No input makes it throw. */
export function parseZone(text: string, now: number): ParsedZone {
  if (text.length > longestZone) return { kind: 'refused', reason: 'too-large' };
  const lines = text
    .split(/\r?\n/)
    .map((line) => line.trimEnd())
    .filter((line) => line !== '' && !line.startsWith(';'))
    .map((line) => recordLine.exec(line)?.groups);
  const texts = lines.flatMap((line) => (line?.type?.toUpperCase() === 'TXT' ? [line] : []));
  const certificates = lines.flatMap((line) => (line?.type?.toUpperCase() === 'OPENPGPKEY' ? [line] : []));
  const [textLine] = texts;
  const [certificateLine] = certificates;
  const flaw = lines.includes(undefined)
    ? 'malformed-line'
    : texts.length + certificates.length < lines.length
      ? 'unknown-record'
      : (countFlaw(texts.length, 'no-text', 'two-texts') ??
        countFlaw(certificates.length, 'no-certificate', 'two-certificates'));
  if (flaw !== undefined) return { kind: 'refused', reason: flaw };
  const owner = textLine?.owner?.toLowerCase() ?? '';
  const domain = owner.slice('_securemail.'.length, -1);
  if (!isDomain(domain) || owner !== textOwner(domain))
    return { kind: 'refused', reason: 'wrong-text-owner' };
  if (certificateLine?.owner?.toLowerCase() !== certificateOwner(domain))
    return { kind: 'refused', reason: 'wrong-certificate-owner' };
  const certificate = decodeBase64((certificateLine.data ?? '').replace(/[ \t]+/g, ''));
  if (certificate === undefined) return { kind: 'refused', reason: 'malformed-certificate-line' };
  const strings = quotedStrings(textLine?.data ?? '');
  return strings === undefined
    ? { kind: 'refused', reason: 'malformed-text' }
    : decodeRecord({ domain, text: strings.join(''), certificate, now });
}

function countFlaw<T extends string>(count: number, none: T, two: T): T | undefined {
  return count === 0 ? none : count > 1 ? two : undefined;
}

/** Character strings of up to 255 octets (RFC 1035 section 5.1), without escapes: no tag needs one. */
function quotedStrings(data: string): string[] | undefined {
  if (!/^"[^"\\]{0,255}"(?:[ \t]+"[^"\\]{0,255}")*$/.test(data)) return undefined;
  return [...data.matchAll(/"([^"]*)"/g)].map(([, string = '']) => string);
}

// spec dns 1
/** Where the text lies, as a full name. */
export function textOwner(domain: string): string {
  return `_securemail.${domain}.`;
}

// spec dns 1
/** Where the certificate lies, as a full name. */
export function certificateOwner(domain: string): string {
  return `${openpgpkeyLabel('secure')}._openpgpkey.${domain}.`;
}

const recordLine =
  /^(?<owner>[^\s;"()]+\.)[ \t]+(?:[0-9]{1,10}[ \t]+)?IN[ \t]+(?<type>[A-Za-z0-9]+)[ \t]+(?<data>\S.*)$/;
const longestZone = 65_536;
