import { isDomain, type Mailbox, parseMailbox } from '../address.ts';
import { type Field, readHeader } from '../header.ts';
import { isWellFormed } from '../sender/wellformed.ts';

/** Longest header of a carriage from an account, and of what providers add to it (spec carriage 6.4). */
const maxAccountHeaderOctets = 17_371;

/** What stands in a header of this form, as far as it counts. */
export interface AccountHeader {
  readonly toDomain: string;
  readonly tlsRequired: readonly string[];
  readonly received: number;
  /** Where the body begins. */
  readonly end: number;
}

/**
 * Reads the header of a carriage from an account (spec carriage 6): `undefined` for whatever is none. Nothing of whose account it is comes out.
 */
export function readAccountHeader(octets: Buffer): AccountHeader | undefined {
  if (!isWellFormed(octets) || octets.some((octet) => octet > 0x7f)) return undefined;
  const header = readHeader(octets, 0, maxAccountHeaderOctets);
  if (header === undefined || octets.toString('latin1', header.end - 2, header.end) !== '\r\n')
    return undefined;
  const { fields, end } = header;
  if (!fields.every(isKnown) || !counted.every((name) => once(fields, name))) return undefined;
  if (!tolerated.every((name) => valuesOf(fields, name).length <= 1)) return undefined;
  const [from, to] = [mailboxIn(textOf(fields, 'from')), mailboxIn(textOf(fields, 'to'))];
  if (from === undefined || to?.local !== 'secure' || from.local.toLowerCase() === 'secure') return undefined;
  if (!mimeFields.every(([name, value]) => value.test(textOf(fields, name)))) return undefined;
  if (!valuesOf(fields, 'padding').every((value) => /^x+$/.test(value))) return undefined;
  return {
    toDomain: to.domain,
    tlsRequired: fields.filter(({ name }) => name === 'tls-required').map(({ raw }) => raw),
    received: valuesOf(fields, 'received').length,
    end,
  };
}

// spec carriage 6.3
/** The bytes in a body of base64 whose lines are all equally long but the last; other programs wrap it anew. */
export function readAccountBody(body: Buffer, expectBytes: number): Uint8Array | undefined {
  const lines = body
    .toString('latin1')
    .replace(/(?:\r\n){1,3}$/, '')
    .split('\r\n');
  const [{ length: width } = ''] = lines;
  const last = lines.at(-1) ?? '';
  const even = lines.slice(0, -1).every(({ length }) => length === width) && last.length <= width;
  if (!even || last === '' || width > 76 || (lines.length > 1 && width < 60)) return undefined;
  const text = lines.join('');
  const bytes = Buffer.from(text, 'base64');
  return bytes.length === expectBytes && bytes.toString('base64') === text ? bytes : undefined;
}

// spec carriage 6.1
/** A mailbox, bare or in angle brackets, perhaps with a name in front of them. */
function mailboxIn(value: string): Mailbox | undefined {
  const address = /^(?:[^<>"(),:;@]*|"[^<>"\\]*"[ \t]*)<([^<>]+)>$/.exec(value)?.[1] ?? value;
  const mailbox = parseMailbox(address);
  return mailbox !== undefined && isDomain(mailbox.domain) ? mailbox : undefined;
}

function valuesOf(fields: readonly Field[], name: string): string[] {
  return fields.filter((field) => field.name === name).map(({ value }) => value);
}

function textOf(fields: readonly Field[], name: string): string {
  return valuesOf(fields, name)[0] ?? '';
}

function once(fields: readonly Field[], name: string): boolean {
  return valuesOf(fields, name).length === 1;
}

/** The colon follows the name at once: with white space between, two programs may read two different fields. */
function isKnown({ name, raw }: Field): boolean {
  if (raw[name.length] !== ':') return false;
  return traceName.test(name) || counted.includes(name) || tolerated.includes(name);
}

/** Spec carriage 4.1, in lower case. */
const traceName =
  /^(?:received|return-path|delivered-to|delivery-date|envelope-to|dkim-signature|domainkey-signature|authentication-results|arc-(?:seal|message-signature|authentication-results)|received-spf|tls-required|x-[a-z0-9-]{1,70})$/;

const parameter = '[ \\t]*;[ \\t]*[A-Za-z0-9-]+=(?:[A-Za-z0-9._-]+|"[^"\\\\\\x00-\\x1f]*")';

const mimeFields = [
  ['mime-version', /^1\.0$/],
  ['content-type', new RegExp(`^application/octet-stream(?:${parameter}){0,4};?$`, 'i')],
  ['content-transfer-encoding', /^base64$/i],
] as const;

/** Spec carriage 6.1: each exactly once. */
const counted: readonly string[] = ['from', 'to', ...mimeFields.map(([name]) => name)];

/** Spec carriage 6.2: each at most once. */
const tolerated: readonly string[] = [
  'date',
  'message-id',
  'padding',
  'sender',
  'reply-to',
  'subject',
  'accept-language',
  'content-language',
  'feedback-id',
  'importance',
  'msip_labels',
  'priority',
  'thread-index',
  'thread-topic',
  'ui-outboundreport',
  'user-agent',
];
