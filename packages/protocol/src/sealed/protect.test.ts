import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { characters, octets, parseHeader } from '../codec/mime-header.ts';
import { ProtocolError } from '../errors.ts';
import { maxMessageBytes } from './limits.ts';
import { prepare } from './prepare.ts';
import { type OuterField, protect, unprotect } from './protect.ts';

const outer: readonly OuterField[] = [
  ['From', 'secure@b.test'],
  ['To', 'bob@b.test'],
];
const shown = 'HP-Outer: From: secure@b.test\r\nHP-Outer: To: bob@b.test\r\n';
const mark = ';\r\n protected-headers="v1"; hp="cipher"';

function protectText(text: string): string {
  const { message, fields } = prepare(octets(text));
  return characters(protect(message, fields, outer));
}

function unprotectText(text: string): { message: string; protection: string } {
  const result = unprotect(octets(text));
  if (result.kind === 'refused') throw new Error(result.reason);
  return { message: characters(result.message), protection: result.protection };
}

const lines = (...all: string[]): string => all.map((line) => `${line}\r\n`).join('');

/** Fields that are easily mistaken, in every order. */
const fields = fc.shuffledSubarray([
  'From: Alice <alice@a.test>',
  'Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n and more',
  'content-TYPE: multipart/mixed;\r\n\tboundary="a;b=\\"c\\""',
  'MIME-Version: 1.0 (made by (nested) hand)',
  'Content-Transfer-Encoding: 8bit',
  'X-Empty:',
  'X-Trailing: blanks \t ',
  'X-Colon: Content-Type: text/plain',
  'X-8bit: gr\xc3\xbc\xc3\x9fe \xff',
  'Hp-Inner: HP-Outer: From: x',
]);
const types = fc.constantFrom(
  undefined,
  'Content-Type: text/plain',
  'Content-Type: text/plain;',
  'Content-Type: text/html; charset=utf-8 ',
  'Content-Type:',
  'Content-Type: what ever it is; "open',
  'Content-Type: text/plain (open',
  `Content-Type: text/plain; x="a;\r\n hp=b"`,
);
const bodies = fc.constantFrom(
  '',
  '\r\n',
  '\r\nbody',
  '\r\n\r\n',
  '\r\nHP-Outer: no field\r\n',
  '\r\n\xff\x01\r\n',
);

describe('protection', () => {
  test('is undone exactly, whatever the message', () => {
    fc.assert(
      fc.property(fields, types, bodies, (chosen, type, body) => {
        const others = type === undefined ? chosen : chosen.filter((field) => !/^content-type/i.test(field));
        const header = lines(...(type === undefined ? [] : [type]), ...others);
        const message = header + body;
        const payload = protectText(message);
        expect(unprotectText(payload)).toEqual({ message, protection: 'cipher' });
      }),
    );
  });

  test.each(['', 'A: b', 'Content-Type: a/b', 'A: b\r\n', '\r\n', '\r\nbody', 'A: b\r\n\r\n'])(
    'is undone exactly for %j',
    (message) => {
      expect(unprotectText(protectText(message)).message).toBe(message);
    },
  );

  test('marks the Content-Type and shows the outer header', () => {
    const text = 'Subject: x\r\nContent-Type: text/html;\r\n charset=utf-8\r\nX: y\r\n\r\nbody';
    expect(protectText(text)).toBe(
      `${shown}Subject: x\r\nContent-Type: text/html;\r\n charset=utf-8${mark}\r\nX: y\r\n\r\nbody`,
    );
  });

  test('brings a Content-Type where there is none', () => {
    expect(protectText('Subject: x\r\n\r\nbody')).toBe(
      `${shown}Content-Type: text/plain; protected-headers="v1"; hp="cipher"\r\nSubject: x\r\n\r\nbody`,
    );
  });

  test('of another program is taken out', () => {
    const payload =
      'MIME-Version: 1.0\r\nSubject: x\r\nHP-Outer: Subject: [...]\r\nContent-Type: text/plain; hp="clear" (c);\r\n charset=utf-8\r\nHP-Outer: To: a@b.test\r\n\r\nbody';
    expect(unprotectText(payload)).toEqual({
      message:
        'MIME-Version: 1.0\r\nSubject: x\r\nContent-Type: text/plain (c);\r\n charset=utf-8\r\n\r\nbody',
      protection: 'clear',
    });
  });

  test.each([
    'Content-Type: text/plain\r\n\r\nbody',
    'Content-Type: text/plain; hp=other\r\n\r\nbody',
    'Content-Type: text/plain; protected-headers="v1"\r\nSubject: x\r\n\r\nbody',
    'Content-Type: text/plain; hp=cipher; hp=clear\r\n\r\nbody',
    'Subject: x\r\n\r\nbody',
    'Content-Type: broken; hp="cipher\r\n\r\nbody',
  ])('is none in %j', (payload) => {
    expect(unprotectText(payload)).toEqual({ message: payload, protection: 'none' });
  });

  test.each([
    'From: a\r\nfrom: b\r\n\r\n',
    'Content-Type: a/b\r\nContent-Type: a/b\r\n\r\n',
    'no header\r\n\r\n',
  ])('is refused in %j', (payload) => {
    expect(unprotect(octets(payload))).toEqual({ kind: 'refused', reason: 'malformed-content' });
  });
});

describe('preparing', () => {
  const prepared = (text: string): string => characters(prepare(octets(text)).message);

  test('brings line ends in order and takes Bcc out', () => {
    expect(
      prepared('From: a\nBcc: x@y.test,\n z@y.test\nSubject: s\nbCC: q\nResent-Bcc: r\n\nBcc: body\n'),
    ).toBe('From: a\r\nSubject: s\r\n\r\nBcc: body\r\n');
    expect(prepared('Bcc: x@y.test\r\n\r\nbody')).toBe('\r\nbody');
    expect(prepared('A: b\r\nBcc: x@y.test')).toBe('A: b\r\n');
  });

  test('gives the fields of what comes out', () => {
    const { message, fields: found } = prepare(octets('Bcc: x\nA: b\n\nbody'));
    expect(parseHeader(message)).toMatchObject({ kind: 'header', fields: found });
  });

  test.each([
    ['two From', 'From: a\r\nFrom: b\r\n\r\n'],
    ['two Subject', 'Subject: a\r\nsubject: b\r\n\r\n'],
    ['two Content-Type', 'Content-Type: a/b\r\nContent-Type: a/b\r\n\r\n'],
    ['two Content-Transfer-Encoding', `${'Content-Transfer-Encoding: 7bit\r\n'.repeat(2)}\r\n`],
    ['NUL in the body', 'A: b\r\n\r\nx\0y'],
    ['no header', 'hello\r\n\r\n'],
    ['a long header', `${'A: b\r\n'.repeat(100_000)}\r\n`],
    ['HP-Outer', 'HP-Outer: A: b\r\n\r\n'],
    ['hp', 'Content-Type: text/plain; hp="cipher"\r\n\r\n'],
    ['hp of another value', 'Content-Type: text/plain; hp=other\r\n\r\n'],
    ['hp in the form of RFC 2231', `Content-Type: text/plain; HP*=us-ascii''cipher\r\n\r\n`],
    ['hp twice', 'Content-Type: text/plain; hp=cipher; hp=clear\r\n\r\n'],
    ['hp in a broken type', 'Content-Type: broken; Hp="cipher\r\n\r\n'],
    ['our mark in a broken type', `Content-Type: "${mark}\r\n\r\n`],
  ])('refuses a message with %s', (_what, text) => {
    expect(() => prepare(octets(text))).toThrow(expect.objectContaining({ code: 'wrong-message' }));
  });

  test.each([
    'Subject: Re: x\rBcc: evil@evil.test\r\n\r\nbody',
    'Subject: Re: x\nBcc: evil@evil.test\r\n\r\nbody',
    'Subject: Re: x\rBcc: evil@evil.test\n\nbody',
    'Subject: Re: x\r\n\nbody',
  ])('refuses %j: no CR or LF in a header becomes a line end', (text) => {
    expect(() => prepare(octets(text))).toThrow(
      expect.objectContaining({ code: 'wrong-message', hint: expect.stringContaining('all in LF') }),
    );
  });

  test.each([
    'Content-Type: text/plain; name="hp=cipher"\r\n\r\n',
    'Content-Type: text/plain; chp=cipher\r\n\r\n',
    'Content-Type: application/x-php; "\r\n\r\n',
  ])('leaves %j', (text) => {
    expect(prepared(text)).toBe(text);
  });

  test('refuses more than 25 MB, counted with CRLF, and says what to do', () => {
    const body = new Uint8Array(maxMessageBytes).fill(120);
    body.set(octets('A: b\r\n\r\n'));
    expect(prepare(body).message).toHaveLength(maxMessageBytes);
    const longer = new Uint8Array(maxMessageBytes + 1).fill(120);
    longer.set(octets('A: b\r\n\r\n'));
    expect(() => prepare(longer)).toThrow(expect.objectContaining({ code: 'too-large' }));
    body[100] = 10;
    expect(() => prepare(body)).toThrow(ProtocolError);
    expect(() => prepare(body)).toThrow(
      expect.objectContaining({ code: 'too-large', hint: expect.stringContaining('Send less') }),
    );
  });
});
