import { createHash, type KeyObject, sign } from 'node:crypto';
import { carriageDomain, view } from '../carriage/shape.ts';
import { MailError } from '../errors.ts';
import { type Field, onlyField, readHeader } from '../header.ts';
import { isWellFormed } from '../sender/wellformed.ts';
import { relaxedBody, relaxedField } from './canonical.ts';
import { type DkimAlgorithm, type DkimKey, isSelector, readKey } from './keys.ts';

export interface DkimSignerOptions {
  /** What stands in `d=`: the domain in `From` of what is signed. */
  readonly domain: string;
  /** One signature each, in this order. */
  readonly keys: readonly DkimKey[];
}

export interface DkimSigner {
  /**
   * The DKIM-Signature fields (RFC 6376) to put on top of the message, each with its line end (spec submission 4).
   *
   * Throws `bad-message` for one that is not CRLF throughout or has not exactly one `From`.
   */
  sign(message: Uint8Array): Uint8Array;
}

/** Throws `bad-domain`, `bad-options`, `bad-key`. */
export function createDkimSigner(options: DkimSignerOptions): DkimSigner {
  const domain = carriageDomain(options.domain);
  const keys = options.keys.map((key) => ({ ...key, secret: readKey(key) }));
  if (keys.length === 0 || !keys.every(({ selector }) => isSelector(selector)))
    throw new MailError('bad-options', 'DKIM needs keys with a selector each', {
      hint: 'A selector is a label of ASCII letters, digits and hyphens.',
    });
  return {
    sign(message) {
      const { fields, body } = split(view(message));
      const bodyHash = createHash('sha256').update(relaxedBody(body), 'latin1').digest('base64');
      const { names, signed } = oversign(fields);
      const made = keys.map(({ algorithm, selector, secret }) => {
        const tags = [`v=1; a=${algorithm}; c=relaxed/relaxed; d=${domain};`, `s=${selector};`];
        const field = [`DKIM-Signature: ${tags[0]}`, tags[1], `h=${fold(names)};`, `bh=${bodyHash};`, 'b='];
        const unsigned = field.join('\r\n\t');
        const data = [...signed, unsigned].map(relaxedField).join('\r\n');
        return `${unsigned}${wrap(signature(algorithm, secret, data))}\r\n`;
      });
      return Buffer.from(made.join(''), 'latin1');
    },
  };
}

function split(octets: Buffer): { fields: readonly Field[]; body: string } {
  const header = isWellFormed(octets) ? readHeader(octets, 0, octets.length) : undefined;
  if (header === undefined || onlyField(header.fields, 'from') === undefined)
    throw new MailError('bad-message', 'DKIM signs an RFC 5322 message with CRLF and one From');
  return { fields: header.fields, body: octets.toString('latin1', header.end) };
}

/**
 * Each name once more than it is there, so that a field of that name cannot be added (RFC 6376 section 8.15). Of several
 * fields the last one counts first (section 5.4.2).
 */
function oversign(fields: readonly Field[]): { names: readonly string[]; signed: readonly string[] } {
  const perName = signedNames.map((name) => ({
    name,
    raws: fields
      .filter((field) => field.name === name.toLowerCase())
      .map(({ raw }) => raw.replace(/\r\n$/, '')),
  }));
  return {
    names: perName.flatMap(({ name, raws }) => [...raws.map(() => name), name]),
    signed: perName.flatMap(({ raws }) => raws.toReversed()),
  };
}

/** Ed25519 signs the hash and not the text (RFC 8463 section 3). */
function signature(algorithm: DkimAlgorithm, key: KeyObject, data: string): string {
  const octets = Buffer.from(data, 'latin1');
  const made =
    algorithm === 'rsa-sha256'
      ? sign('sha256', octets, key)
      : sign(null, createHash('sha256').update(octets).digest(), key);
  return made.toString('base64');
}

/** Names in lines that stay below 78 octets. */
function fold(names: readonly string[]): string {
  const lines = [''];
  for (const name of names) {
    if ((lines.at(-1)?.length ?? 0) + name.length > 65) lines.push('');
    lines[lines.length - 1] += `${name}:`;
  }
  return lines.join('\r\n\t ').slice(0, -1);
}

function wrap(base64: string): string {
  return base64.replaceAll(/.{72}(?=.)/g, '$&\r\n\t ');
}

/** The eight fields of a carriage, and what a reader would see if somebody added it (spec submission 4). */
const signedNames = [
  'From',
  'To',
  'Date',
  'Message-ID',
  'MIME-Version',
  'Content-Type',
  'Content-Transfer-Encoding',
  'Padding',
  'Sender',
  'Reply-To',
  'Cc',
  'Subject',
];
