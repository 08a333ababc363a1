import { concat } from '../codec/bytes.ts';
import { type HeaderField, hasRepeated, parseHeader } from '../codec/mime-header.ts';
import { messageToCrlf } from '../codec/mime-lines.ts';
import { ProtocolError } from '../errors.ts';
import { maxMessageBytes } from './limits.ts';
import { isMarked } from './protect.ts';

export interface Prepared {
  readonly message: Uint8Array;
  /** Of `message`. */
  readonly fields: readonly HeaderField[];
}

// spec sealed 3
/**
 * A message as it is sealed: lines end in CRLF, and Bcc is gone. The body stays what it is. Throws `ProtocolError` `too-large`,
 * `wrong-message`.
 */
export function prepare(given: Uint8Array): Prepared {
  requireSize(given);
  const text = messageToCrlf(given);
  if (text === undefined)
    throw wrong(
      'ends the lines of its header in more than one way',
      'End all lines of the header in CRLF, or all in LF.',
    );
  requireSize(text);
  if (text.includes(0)) throw wrong('holds a NUL byte', 'Encode binary attachments as base64.');
  const message = withoutBcc(text);
  const { fields } = headerOf(message);
  if (hasRepeated(fields, singleFields))
    throw wrong('has a header field twice that may be there once', 'Send one of them.');
  if (isMarked(fields))
    throw wrong(
      'bears marks of header protection',
      'Remove HP-Outer fields and the hp parameter of Content-Type.',
    );
  return { message, fields };
}

/** RFC 5322 section 3.6; RFC 2045. */
const singleFields = [
  'date',
  'from',
  'sender',
  'reply-to',
  'to',
  'cc',
  'message-id',
  'in-reply-to',
  'references',
  'subject',
  'mime-version',
  'content-type',
  'content-transfer-encoding',
];

function requireSize({ length }: Uint8Array): void {
  if (length > maxMessageBytes)
    throw new ProtocolError('too-large', `the message has ${length} bytes; ${maxMessageBytes} is the most`, {
      hint: 'Send less at once, or share large files by another way.',
    });
}

function withoutBcc(message: Uint8Array): Uint8Array {
  const { fields, bodyAt } = headerOf(message);
  const kept = fields.filter(({ name }) => !['bcc', 'resent-bcc'].includes(name.toLowerCase()));
  if (kept.length === fields.length) return message;
  const rest = message.subarray(fields.at(-1)?.end ?? bodyAt);
  return concat(...kept.map(({ start, end }) => message.subarray(start, end)), rest);
}

// spec sealed 2.1
/** Throws `ProtocolError` `wrong-message` when it is none, or too long. */
export function headerOf(message: Uint8Array): { fields: readonly HeaderField[]; bodyAt: number } {
  const header = parseHeader(message);
  if (header.kind === 'header') return header;
  throw header.reason === 'header-too-large'
    ? wrong('has too long a header', 'Send to fewer recipients at once.')
    : wrong(
        'has a header that is no header',
        'Give a whole message: header fields, an empty line, the body.',
      );
}

function wrong(what: string, hint: string): ProtocolError {
  return new ProtocolError('wrong-message', `the message ${what}`, { hint });
}
