import { isDomain, lowerCase, maxDomainOctets, maxLocalOctets } from '../address.ts';
import { MailError } from '../errors.ts';

/** Local part of every carriage's sender and recipient (spec carriage 2.1). */
const carriageLocalPart = 'secure';

/** Octets of base64 in a full line (spec carriage 3.1). */
const lineOctets = 76;

/** Random octets of a Message-ID (spec carriage 2.3). */
export const messageIdOctets = 16;

/** The values that differ between two headers of one shape. */
export interface HeaderValues {
  /** The mailbox of an account in place of the `secure` one (spec carriage 6.5). */
  readonly account?: string;
  readonly fromDomain: string;
  readonly toDomain: string;
  /** Seconds since 1970, a multiple of 3600. */
  readonly hour: number;
  /** Left side of the Message-ID: lower-case hex. */
  readonly messageId: string;
}

/** Writes the header with its closing empty line (spec carriage 2). The length is the same for all values. */
export function writeHeader(values: HeaderValues): string {
  const { fromDomain, toDomain, messageId, account } = values;
  const from = account ?? `${carriageLocalPart}@${fromDomain}`;
  const padding =
    account === undefined ? paddingOctets(fromDomain, toDomain) : accountPaddingOctets(account, values);
  return [
    `From: <${from}>`,
    `To: <${carriageLocalPart}@${toDomain}>`,
    `Date: ${writeDate(values.hour)}`,
    `Message-ID: <${messageId}@${fromDomain}>`,
    'MIME-Version: 1.0',
    'Content-Type: application/octet-stream',
    'Content-Transfer-Encoding: base64',
    `Padding: ${'x'.repeat(padding)}`,
    '',
    '',
  ].join('\r\n');
}

/** Base64 in lines (spec carriage 3), behind the header. */
export function writeBody(bytes: Uint8Array, header: string = ''): Buffer {
  const octets = Buffer.allocUnsafe(header.length + bodyOctets(bytes.length));
  putBody(bytes, octets, octets.write(header, 'latin1'));
  return octets;
}

/** Whether it is the body that is written for these bytes. */
export function isBodyOf(bytes: Uint8Array, body: Buffer): boolean {
  if (body.length !== bodyOctets(bytes.length)) return false;
  const written = scratch.lines(body.length);
  putBody(bytes, written, 0);
  return written.equals(body);
}

function putBody(bytes: Uint8Array, octets: Buffer, at: number): void {
  const base64 = view(bytes).toString('base64');
  const text = scratch.text(base64.length);
  text.write(base64, 'latin1');
  let to = at;
  for (let from = 0; from < text.length; from += lineOctets) {
    to += text.copy(octets, to, from, Math.min(from + lineOctets, text.length));
    to = octets.writeUInt16BE(crlf, to);
  }
}

/** Memory for what is done with at once, and need not be allocated for each carriage. */
const scratch = { text: reusable(), lines: reusable() };

function reusable(): (octets: number) => Buffer {
  let buffer = Buffer.alloc(0);
  return (octets) => {
    if (buffer.length < octets) buffer = Buffer.allocUnsafeSlow(octets);
    return buffer.subarray(0, octets);
  };
}

/**
 * Octets of a carriage for `byteLength` bytes, the same for all domains, dates and bytes (spec carriage 1.2). A trace
 * that other mail servers put on top comes on top of this.
 */
export function carriageLength(byteLength: number): number {
  return headerOctets + bodyOctets(byteLength);
}

/** Lower case, or throws `bad-domain`. */
export function carriageDomain(domain: string): string {
  const lower = lowerCase(domain);
  if (isDomain(lower)) return lower;
  throw new MailError('bad-domain', 'not a domain name', {
    hint: 'Use ASCII letters, digits and hyphens, at most 253 octets; write an internationalised name as its A-labels (xn--…).',
  });
}

export function view(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** RFC 5322 date in UTC: 31 octets for every year of four digits. */
export function writeDate(hour: number): string {
  return new Date(hour * 1000).toUTCString().replace('GMT', '+0000');
}

/** The sender's domain stands twice in the header, the recipient's once; at least one `x` stays (spec carriage 2.6). */
function paddingOctets(fromDomain: string, toDomain: string): number {
  return 3 * maxDomainOctets + 1 - 2 * fromDomain.length - toDomain.length;
}

// spec carriage 6.5
/** The account stands in the header with its mailbox, and its domain once more; at least one `x` stays. */
function accountPaddingOctets(account: string, { fromDomain, toDomain }: HeaderValues): number {
  const longestMailbox = maxLocalOctets + 1 + maxDomainOctets;
  return longestMailbox + 2 * maxDomainOctets + 1 - account.length - fromDomain.length - toDomain.length;
}

function bodyOctets(byteLength: number): number {
  const text = Math.ceil(byteLength / 3) * 4;
  return text + 2 * Math.ceil(text / lineOctets);
}

const crlf = 0x0d0a;
const headerOctets = writeHeader({
  fromDomain: 'a',
  toDomain: 'a',
  hour: 0,
  messageId: '0'.repeat(2 * messageIdOctets),
}).length;
