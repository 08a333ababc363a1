import { isDomain, lowerCase, maxDomainOctets, maxLocalOctets } from '../address.ts';
import { viewOf } from '../breaks.ts';
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

/**
 * The bytes of a body that is written exactly so, if it holds as many. Buffer's decoder takes the letters of base64url too, and passes over what is in neither:
 * as there are no more letters than the bytes need, one that it passed over leaves a byte missing.
 */
export function readBody(body: Buffer, byteLength: number): Buffer | undefined {
  if (body.length !== bodyOctets(byteLength) || !hasLines(body)) return undefined;
  if (body.includes('-', 0, 'latin1') || body.includes('_', 0, 'latin1')) return undefined;
  const bytes = Buffer.from(body.toString('latin1'), 'base64');
  return bytes.length === byteLength && endsAs(bytes, body) ? bytes : undefined;
}

/** Whether padding stands where it has to, and the bits behind the last byte are zero. */
function endsAs(bytes: Buffer, body: Buffer): boolean {
  if (bytes.length === 0) return true;
  const last = bytes.toString('base64', bytes.length - (bytes.length % 3 || 3));
  return body.toString('latin1', body.length - 2 - last.length, body.length - 2) === last;
}

/** Whether a CRLF stands after each full line and at the end; where else one stands the decoder tells. */
function hasLines(body: Buffer): boolean {
  const isCrlf = (at: number): boolean => body.readUInt16BE(at) === crlf;
  for (let at = lineOctets; at < body.length - 2; at += lineOctets + 2) if (!isCrlf(at)) return false;
  return body.length === 0 || isCrlf(body.length - 2);
}

function putBody(bytes: Uint8Array, octets: Buffer, at: number): void {
  const base64 = view(bytes).toString('base64');
  const text = scratch(base64.length);
  text.write(base64, 'latin1');
  const [source, target] = [viewOf(text), viewOf(octets)];
  const full = text.length - (text.length % lineOctets);
  let to = at;
  for (let from = 0; from < full; to += 2) {
    // Four octets at a time: a call of Buffer's copy for each line costs more than its octets.
    for (const end = from + lineOctets; from < end; from += 4, to += 4)
      target.setInt32(to, source.getInt32(from));
    target.setUint16(to, crlf);
  }
  if (full === text.length) return;
  to += text.copy(octets, to, full);
  target.setUint16(to, crlf);
}

/** Memory for what is done with at once, and need not be allocated for each carriage. */
const scratch = reusable();

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
