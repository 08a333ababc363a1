import { beforeAll, describe, expect, test } from 'vitest';
import { characters, octets } from '../codec/mime-header.ts';
import { growth } from '../testing/growth.ts';
import {
  encryptContent,
  literalPacket,
  mimeAround,
  now,
  type Person,
  person,
  sealOptions,
} from '../testing/people.ts';
import { maxSealedBytes } from './limits.ts';
import { type Opened, open } from './open.ts';
import { seal } from './seal.ts';

let alice: Person;
let bob: Person;
let sealed: Uint8Array;

beforeAll(async () => {
  [alice, bob] = await Promise.all([person('alice@a.test'), person('bob@b.test')]);
  sealed = await seal(octets('From: alice@a.test\r\nSubject: s\r\n\r\nbody\r\n'), sealOptions(alice, bob));
});

const opened = (bytes: Uint8Array): Promise<Opened> =>
  open(bytes, { decryptionKeys: [bob.privateKey], verificationKeys: [alice.publicKey], date: now });

const refused = async (bytes: Uint8Array): Promise<string> => {
  const result = await opened(bytes);
  return result.kind === 'refused' ? result.reason : 'opened';
};

/** The beginning of a part with parts. */
function nested(boundary: string): string {
  return `Content-Type: multipart/mixed; boundary=${boundary}\r\n\r\n--${boundary}\r\n`;
}

describe('M1 opening refuses', () => {
  const inHeader = (change: (text: string) => string): Promise<string> =>
    refused(octets(change(characters(sealed))));

  test.each<[string, (text: string) => string, string]>([
    ['two Content-Type', (t) => `Content-Type: text/plain\r\n${t}`, 'repeated-field'],
    ['two From', (t) => `from: x@y.test\r\n${t}`, 'repeated-field'],
    ['two MIME-Version', (t) => `MIME-Version: 1.0\r\n${t}`, 'repeated-field'],
    [
      'two Content-Transfer-Encoding',
      (t) => `Content-Transfer-Encoding: 7bit\r\nContent-Transfer-Encoding: 8bit\r\n${t}`,
      'repeated-field',
    ],
    ['NUL', (t) => `${t}\0`, 'nul'],
    ['CR alone in a field', (t) => `X: y\rReply-To: mallory@evil.test\r\n${t}`, 'malformed-header'],
    ['LF alone in a field', (t) => `X: y\nReply-To: mallory@evil.test\r\n${t}`, 'malformed-header'],
    ['no header', (t) => `hello\r\n${t}`, 'malformed-header'],
    ['300,000 fields', (t) => 'A: b\r\n'.repeat(300_000) + t, 'header-too-large'],
    ['another type', (t) => t.replace('multipart/encrypted', 'multipart/mixed'), 'not-encrypted'],
    ['another protocol', (t) => t.replace('pgp-encrypted";', 'pkcs7-mime";'), 'not-encrypted'],
    [
      'a type of two readings',
      (t) => t.replace(';\r\n boundary', ';\r\n boundary=x; boundary'),
      'not-encrypted',
    ],
    ['no boundary', (t) => t.replace(/;\r\n boundary="[0-9a-f]*"/, ''), 'malformed-parts'],
    ['a boundary that does not occur', (t) => t.replace('boundary="', 'boundary="x'), 'malformed-parts'],
    ['no end', (t) => t.slice(0, -4), 'malformed-parts'],
    ['a third part', (t) => t.replace(/(\r\n--[0-9a-f]+)--\r\n$/, '$1\r\n\r\nx$1--\r\n'), 'malformed-parts'],
    ['another version', (t) => t.replace('\r\n\r\nVersion: 1', '\r\n\r\nVersion: 2'), 'malformed-parts'],
    [
      'no control part',
      (t) => t.replace('Content-Type: application/pgp-encrypted\r\n\r\n', 'Content-Type: text/plain\r\n\r\n'),
      'malformed-parts',
    ],
    [
      'a part with two types',
      (t) => t.replace('octet-stream\r\n', 'octet-stream\r\nContent-Type: text/plain\r\n'),
      'malformed-parts',
    ],
  ])('%s', async (_what, change, reason) => {
    expect(await inHeader(change)).toBe(reason);
  });

  test('10 MB in one field, and 5,000 parts in one another, outside', async () => {
    expect(await inHeader((t) => `X: ${'y'.repeat(10_000_000)}\r\n${t}`)).toBe('header-too-large');
    const parts = Array.from({ length: 5_000 }, (_, n) => nested(`c${n}`)).join('');
    expect(await inHeader((t) => t.replace(/\r\n\r\n--/, `\r\n\r\n${parts}\r\n--`))).toBe('opened');
    expect(await inHeader((t) => t.replace(/\r\n\r\nVersion: 1/, `\r\n\r\n${parts}`))).toBe(
      'malformed-parts',
    );
  });

  test.each([
    ['5,000 parts in one another', Array.from({ length: 5_000 }, (_, n) => nested(`c${n}`)).join('')],
    ['2,000 messages in one another', 'Content-Type: message/rfc822\r\n\r\n'.repeat(2_000)],
    ['100,000 parts', `${nested('b')}${'--b\r\n\r\n'.repeat(100_000)}`],
  ])('nothing inside, where it is bytes to hand on: %s', async (_what, text) => {
    const message = octets(`Subject: x\r\n${text}`);
    const again = await seal(message, sealOptions(alice, bob));
    expect(await opened(again)).toMatchObject({ kind: 'opened', message, verdict: { kind: 'good' } });
  });

  test('what is longer than a sealed message can be', async () => {
    expect(await refused(new Uint8Array(maxSealedBytes + 1).fill(65))).toBe('too-large');
  });

  test('100,000 parts, and every truncation', async () => {
    const header =
      'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n\r\n';
    expect(await refused(octets(header + '--b\r\n\r\n'.repeat(100_000)))).toBe('malformed-parts');
    for (let length = 0; length < sealed.length - 2; length += 13)
      expect((await opened(sealed.subarray(0, length))).kind).toBe('refused');
  });

  describe('in time that grows with the length, outside', () => {
    const type = 'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"';
    const whole = `${type}; boundary=b\r\n\r\n`;
    const lines = (line: string) => (count: number) => whole + line.repeat(count);

    test.each<[string, number, (count: number) => string]>([
      ['parts', 100_000, lines('--b\r\n\r\n')],
      ['lines that are nearly delimiters', 100_000, lines('--b-\r\n')],
      ['blanks behind delimiters', 100_000, (count) => `${whole}--b${' '.repeat(count)}x`],
      ['lines that end in LF', 200_000, (count) => (whole + 'x\r\n'.repeat(count)).replaceAll('\r\n', '\n')],
      ['parts in one another', 5_000, (count) => whole + nestedParts(count)],
      ['fields', 4_000, (count) => 'A: b\r\n'.repeat(count) + whole],
      [
        'fields of a part',
        4_000,
        (count) => `${whole}--b\r\n${'A: b\r\n'.repeat(count)}\r\n--b\r\n\r\n--b--`,
      ],
      ['octets of a field', 500_000, (count) => `X: ${'y'.repeat(count)}\r\n${whole}`],
      ['folds of a field', 100_000, (count) => `X: y${'\r\n y'.repeat(count)}\r\n${whole}`],
      ['parameters', 10_000, (count) => `${type}${'; a=b'.repeat(count)}\r\n\r\n`],
      ['comments', 10_000, (count) => `${type} ${'('.repeat(count)}\r\n\r\n`],
      ['lines of armor', 50_000, (count) => characters(mimeAround(new Uint8Array(48 * count)))],
      ['headers of armor', 50_000, (count) => armored(`${'Comment: x\r\n'.repeat(count)}\r\nwwww\r\n`)],
    ])('%s', async (_what, count, make) => {
      const prepare = (times: 1 | 4) => {
        const bytes = octets(make((count * times) / 4));
        return () => opened(bytes);
      };
      expect(await growth(prepare, nearlyLinear)).toBeLessThan(nearlyLinear);
    });
  });

  test.each<[string, number, (count: number) => string]>([
    ['parts', 100_000, (count) => nested('b') + '--b\r\n\r\n'.repeat(count)],
    ['parts in one another', 20_000, nestedParts],
    ['fields', 4_000, (count) => `${'A: b\r\n'.repeat(count)}\r\n`],
    ['folds of a field', 100_000, (count) => `X: y${'\r\n y'.repeat(count)}\r\n\r\n`],
  ])('in time that grows with the length, inside: %s', async (_what, count, make) => {
    const [one = sealed, four = sealed] = await Promise.all(
      [count / 4, count].map(async (size) =>
        mimeAround(await encryptContent(literalPacket(`Subject: x\r\n${make(size)}`), bob.publicKey)),
      ),
    );
    const prepare = (times: 1 | 4) => () => opened(times === 1 ? one : four);
    expect(await growth(prepare, nearlyLinear)).toBeLessThan(nearlyLinear);
  });
});

/** Of what grows to four times its length: between linear and quadratic. */
const nearlyLinear = 8;

function nestedParts(count: number): string {
  return Array.from({ length: count }, (_, n) => nested(`c${n}`)).join('');
}

function armored(text: string): string {
  const empty = characters(mimeAround(new Uint8Array()));
  return empty.replace(/(-----BEGIN[^-]*-----\r\n)[^-]*/, `$1${text}`);
}
