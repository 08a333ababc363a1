import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { isWellFormed } from '../sender/wellformed.ts';
import { type CarriageParts, makeCarriage } from './make.ts';
import { maxReceivedFields, maxTraceOctets, openCarriage } from './open.ts';
import { carriageLength, readBody, writeBody } from './shape.ts';

/** Enough to meet each odd shape of input, in well under a second. */
const runs = { numRuns: 500 };

const label = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,20}[a-z0-9])?$/);
const domain = fc
  .array(label, { minLength: 1, maxLength: 12 })
  .map((labels) => labels.join('.'))
  .filter((name) => name.length <= 253 && !/(?:^|\.)\d+$/.test(name));
const longest = `${'d'.repeat(63)}.`.repeat(3) + 'd'.repeat(61);
const date = fc.date({ min: new Date(0), max: new Date('9999-12-31T23:59:59Z'), noInvalidDate: true });
const parts = fc.record({
  fromDomain: fc.oneof(domain, fc.constant(longest)),
  toDomain: fc.oneof(domain, fc.constant(longest)),
  bytes: fc.uint8Array({ maxLength: 300 }),
  now: date,
});

function make(given: Partial<CarriageParts> = {}): Buffer {
  const base = { fromDomain: 'a.test', toDomain: 'b.test', bytes: sample, now: new Date(0) };
  return Buffer.from(makeCarriage({ ...base, random: (length) => new Uint8Array(length), ...given }));
}

const sample = Uint8Array.from({ length: 200 }, (_, n) => n);
const carriage = make();
const bodyStart = carriage.indexOf('\r\n\r\n') + 4;

test('one carriage, octet for octet', () => {
  const made = makeCarriage({
    fromDomain: 'A.test',
    toDomain: 'mix1.example',
    bytes: Buffer.from('postern '.repeat(10)),
    now: new Date('2026-11-03T21:59:59.999Z'),
    random: (length) => new Uint8Array(length).fill(0xab),
  });
  expect(Buffer.from(made).toString('latin1')).toBe(
    [
      'From: <secure@a.test>',
      'To: <secure@mix1.example>',
      'Date: Tue, 03 Nov 2026 21:00:00 +0000',
      'Message-ID: <abababababababababababababababab@a.test>',
      'MIME-Version: 1.0',
      'Content-Type: application/octet-stream',
      'Content-Transfer-Encoding: base64',
      `Padding: ${'x'.repeat(760 - 2 * 6 - 12)}`,
      '',
      'cG9zdGVybiBwb3N0ZXJuIHBvc3Rlcm4gcG9zdGVybiBwb3N0ZXJuIHBvc3Rlcm4gcG9zdGVybiBw',
      'b3N0ZXJuIHBvc3Rlcm4gcG9zdGVybiA=',
      '',
    ].join('\r\n'),
  );
});

test('spec carriage 1.1: what is made opens to the same bytes', () => {
  fc.assert(
    fc.property(parts, (given) => {
      expect(openCarriage(make(given), given.bytes.length)).toEqual({
        kind: 'carriage',
        bytes: Buffer.from(given.bytes),
        id: '0'.repeat(32),
        fromDomain: given.fromDomain,
        toDomain: given.toDomain,
        tlsOptional: false,
      });
    }),
    runs,
  );
});

test('spec carriage 1.2: the length tells the number of bytes and nothing else', () => {
  fc.assert(
    fc.property(parts, (given) => {
      const made = make(given);
      expect(made.length).toBe(carriageLength(given.bytes.length));
      expect(made.length).toBe(make({ bytes: new Uint8Array(given.bytes.length) }).length);
    }),
    runs,
  );
});

test('spec carriage 1.3: CRLF, 7-bit, no long line', () => {
  fc.assert(
    fc.property(parts, (given) => {
      const made = make(given);
      expect(isWellFormed(made)).toBe(true);
      expect(made.every((octet) => octet < 0x80)).toBe(true);
    }),
    runs,
  );
});

test('spec carriage 2.2: the date is no finer than an hour', () => {
  fc.assert(
    fc.property(date, (now) => {
      const hour = new Date(Math.floor(now.getTime() / 3_600_000) * 3_600_000);
      expect(make({ now })).toEqual(make({ now: hour }));
    }),
    runs,
  );
});

test('a size class of 32 KiB', () => {
  const bytes = randomBytes(32_768);
  expect(openCarriage(make({ bytes }), bytes.length)).toMatchObject({ kind: 'carriage', bytes });
});

test('an id that is given is written and found again', () => {
  const id = randomBytes(16).toString('hex');
  expect(openCarriage(make({ id }), sample.length)).toMatchObject({ kind: 'carriage', id });
  for (const wrong of ['', id.slice(1), `${id}0`, id.replace(/./, 'A'), `${id.slice(2)}\r\n`])
    expect(() => make({ id: wrong })).toThrow(expect.objectContaining({ code: 'bad-options' }));
});

test.each([
  '',
  'a..b',
  'ä.test',
  '\u212a.test',
  'mix.1',
  'a.test\r\nBcc: x@y.test',
  'a.test.',
  'x'.repeat(254),
])('the domain %j is refused', (fromDomain) => {
  expect(() => make({ fromDomain })).toThrow(expect.objectContaining({ code: 'bad-domain' }));
  expect(() => make({ toDomain: fromDomain })).toThrow(expect.objectContaining({ code: 'bad-domain' }));
});

describe('strictness', () => {
  test('every length cut is refused', () => {
    for (let length = 0; length < carriage.length; length += 1) {
      expect(openCarriage(carriage.subarray(0, length), sample.length).kind).toBe('refused');
    }
  });

  test('anything behind it is refused', () => {
    for (const more of ['\r\n', 'AAAA', 'AAAA\r\n', ' ', '\0']) {
      expect(openCarriage(Buffer.concat([carriage, Buffer.from(more)]), sample.length).kind).toBe('refused');
    }
  });

  test('a body of another size than expected is refused', () => {
    expect(openCarriage(carriage, sample.length - 1)).toEqual({ kind: 'refused', reason: 'body' });
    expect(openCarriage(carriage, sample.length + 1)).toEqual({ kind: 'refused', reason: 'body' });
  });

  test('every flipped bit of the body changes the bytes or is refused', () => {
    const unnoticed = flippedBits(bodyStart, carriage.length).filter(({ flipped }) => {
      const opened = openCarriage(flipped, sample.length);
      return opened.kind === 'carriage' && Buffer.from(opened.bytes).equals(sample);
    });
    expect(unnoticed).toEqual([]);
  });

  test('every flipped bit of the header is refused, or makes another header of the same shape', () => {
    const taken = flippedBits(0, bodyStart).filter(
      ({ flipped }) => openCarriage(flipped, sample.length).kind === 'carriage',
    );
    const fields = taken.map(({ at }) => /^[^:]*/.exec(carriage.toString('latin1', lineStart(at)))?.[0]);
    expect(new Set(fields)).toEqual(new Set(['To', 'Date', 'Message-ID']));
  });

  test.each([
    ['a field twice', (text: string) => text.replace('To: ', 'To: <secure@x.test>\r\nTo: ')],
    ['a second From on top', (text: string) => `From: <secure@x.test>\r\n${text}`],
    ['a field of one’s own', (text: string) => text.replace('MIME-', 'Subject: hello\r\nMIME-')],
    ['a field missing', (text: string) => text.replace('MIME-Version: 1.0\r\n', '')],
    ['fields in another order', (text: string) => text.replace(/(From: .*\r\n)(To: .*\r\n)/, '$2$1')],
    ['a field name in another case', (text: string) => text.replace('From:', 'from:')],
    ['the mailbox in another case', (text: string) => text.replace('secure@', 'Secure@')],
    ['a display name', (text: string) => text.replace('From: <', 'From: Alice <')],
    ['a finer date', (text: string) => text.replace('00:00:00 +', '00:00:01 +')],
    ['another time zone', (text: string) => text.replace('+0000', '+0100')],
    ['a day that is another weekday', (text: string) => text.replace('Thu,', 'Fri,')],
    ['a day that is not', (text: string) => text.replace('01 Jan', '31 Feb')],
    ['a Message-ID of another domain', (text: string) => text.replace('0@a.test', '0@c.test')],
    ['less padding', (text: string) => text.replace('xx\r\n', 'x\r\n')],
    ['more padding', (text: string) => text.replace('x\r\n', 'xx\r\n')],
    ['other padding', (text: string) => text.replace('xx\r\n', 'xy\r\n')],
    ['folded padding', (text: string) => text.replace('xx\r\n', '\r\n x\r\n')],
    ['LF for CRLF', (text: string) => text.replaceAll('\r\n', '\n')],
    ['one LF for CRLF in the body', (text: string) => text.replace(/\r\n([A-Za-z0-9+/=]+\r\n)$/, '\n$1')],
    [
      'a body in one line',
      (text: string) => text.replace(/=\r\n/, '=').replace(/(?<=[A-Za-z0-9+/]{76})\r\n/g, ''),
    ],
    ['a space in the body', (text: string) => text.replace('AAEC', 'AAE C')],
    ['base64url', (text: string) => text.replaceAll('+', '-').replaceAll('/', '_')],
    ['no base64 padding', (text: string) => text.replace('=\r\n', '\r\n')],
    [
      'base64 with bits behind its end',
      (text: string) => text.replace(/(.)=\r\n$/, (_, c: string) => `${next(c)}=\r\n`),
    ],
  ])('%s is refused', (_, change) => {
    const text = carriage.toString('latin1');
    expect(change(text)).not.toBe(text);
    expect(openCarriage(Buffer.from(change(text), 'latin1'), sample.length).kind).toBe('refused');
  });

  test('random changes never throw', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(carriage.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 }),
        (changes) => {
          const changed = Buffer.from(carriage);
          for (const [at, octet] of changes) changed[at] = octet;
          expect(['carriage', 'account', 'refused']).toContain(openCarriage(changed, sample.length).kind);
        },
      ),
      runs,
    );
  });

  test('random octets are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2000 }), (octets) => {
        expect(openCarriage(octets, sample.length).kind).toBe('refused');
      }),
      runs,
    );
  });
});

describe('spec carriage 4: the trace of other mail servers', () => {
  const trace = [
    'Return-Path: <secure@a.test>',
    'Delivered-To: secure@b.test',
    'X-Original-To: secure@b.test',
    'Received: from mx.a.test (mx.a.test [192.0.2.1])\r\n\tby mx.b.test (Postfix) with ESMTPS id 4F\r\n\tfor <secure@b.test>; Mon, 23 Nov 2026 21:14:07 +0000 (UTC)',
    'DKIM-Signature: v=1; a=rsa-sha256; d=a.test;\r\n\tb=abc',
    'ARC-Seal: i=1; a=rsa-sha256',
    'ARC-Message-Signature: i=1',
    'ARC-Authentication-Results: i=1; mx.b.test',
    'Authentication-Results: mx.b.test; dkim=pass',
    'Received-SPF: pass',
    'Envelope-to: secure@b.test',
    'Delivery-date: Mon, 23 Nov 2026 21:14:07 +0000',
    'X-Gm-Message-State: AOJu0Y',
  ];
  const onTop = (fields: readonly string[]): Buffer =>
    Buffer.concat([Buffer.from(fields.map((field) => `${field}\r\n`).join(''), 'latin1'), carriage]);

  test('is passed over, each field and all of them', () => {
    for (const field of trace) expect(openCarriage(onTop([field]), sample.length).kind).toBe('carriage');
    expect(openCarriage(onTop([...trace, ...trace]), sample.length).kind).toBe('carriage');
  });

  test('more Received than fifty are a loop (spec carriage 4.4)', () => {
    const received = (count: number): Buffer => onTop(Array.from({ length: count }, () => 'received: by x'));
    expect(openCarriage(received(maxReceivedFields), sample.length).kind).toBe('carriage');
    expect(openCarriage(received(maxReceivedFields + 1), sample.length)).toEqual({
      kind: 'refused',
      reason: 'loop',
    });
  });

  test('spec carriage 4.5: TLS is optional where exactly one field says so', () => {
    const optional = (message: Buffer): boolean => {
      const opened = openCarriage(message, sample.length);
      return opened.kind === 'carriage' && opened.tlsOptional;
    };
    expect(optional(make({ tlsOptional: true }))).toBe(true);
    expect(optional(onTop(['Received: by x', 'tls-required:\tNO ', 'Received: by y']))).toBe(true);
    for (const fields of [
      [],
      ['TLS-Required: No', 'TLS-Required: No'],
      ['TLS-Required: No', 'TLS-Required: Yes'],
      ['TLS-Required: Yes'],
      ['TLS-Required:'],
      ['TLS-Required: No, really'],
      ['TLS-Required:\r\n No'],
      ['X-TLS-Required: No'],
    ])
      expect(optional(onTop(fields))).toBe(false);
  });

  test('stands on top only', () => {
    const text = carriage.toString('latin1');
    const inside = text.replace('To: ', 'Received: by x\r\nTo: ');
    const below = text.replace('\r\n\r\n', '\r\nX-Spam: no\r\n\r\n');
    for (const changed of [inside, below]) {
      expect(openCarriage(Buffer.from(changed, 'latin1'), sample.length)).toEqual({
        kind: 'refused',
        reason: 'header',
      });
    }
  });

  test.each([
    'Subject: x',
    'Sender: x@y.test',
    'Reply-To: x@y.test',
    'Bcc: x@y.test',
    'Comments: x',
    'X-: y',
    ' folded',
  ])('%s is none', (field) => {
    expect(openCarriage(onTop([field]), sample.length)).toEqual({ kind: 'refused', reason: 'header' });
  });

  test.each([
    ['an octet above 127', 'X-a: caf\xe9'],
    ['the last octet', 'X-a: \xff'],
    ['NUL', 'X-a: b\0c'],
    ['a bare LF before another field', 'X-a: b\nFrom: <x@y.test>'],
    ['a bare CR before another field', 'X-a: b\rSubject: c'],
    ['CR before CRLF', 'X-a: b\r'],
    ['LF before CRLF', 'X-a: b\n'],
    ['LF behind CRLF', 'X-a: b\r\n\n c'],
    ['a line of 999 octets', `X-a: ${'b'.repeat(994)}`],
    ['a folded line of 999 octets', `X-a: b\r\n ${'b'.repeat(998)}`],
    ['a line of 5,000 octets', `X-a: ${'b'.repeat(4_995)}`],
  ])('spec carriage 1.3: %s is refused', (_, field) => {
    expect(openCarriage(onTop([field]), sample.length).kind).toBe('refused');
    expect(openCarriage(onTop(['Received: by x', field, 'X-b: c']), sample.length).kind).toBe('refused');
  });

  test('spec carriage 1.3: all other octets and lines of 998 are passed over', () => {
    const octets = Array.from({ length: 127 }, (_, n) => n + 1).filter(
      (octet) => octet !== 10 && octet !== 13,
    );
    for (const field of [
      `X-a: ${String.fromCharCode(...octets)}`,
      `X-a: ${'b'.repeat(993)}`,
      `X-a:\r\n ${'b'.repeat(997)}`,
    ])
      expect(openCarriage(onTop([field]), sample.length).kind).toBe('carriage');
  });

  test('is bounded', () => {
    const field = (octets: number): string => {
      const line = '\r\n '.padEnd(1_000, 'y');
      const rest = octets - 'X-Pad:\r\n'.length;
      return `X-Pad:${line.repeat(rest / 1_000)}${line.slice(0, rest % 1_000)}`;
    };
    expect(openCarriage(onTop([field(maxTraceOctets)]), sample.length).kind).toBe('carriage');
    expect(openCarriage(onTop([field(maxTraceOctets + 1)]), sample.length)).toEqual({
      kind: 'refused',
      reason: 'trace',
    });
    const many = Array.from({ length: maxTraceOctets / 100 + 1 }, () => field(100));
    expect(openCarriage(onTop(many), sample.length)).toEqual({ kind: 'refused', reason: 'trace' });
  });
});

function flippedBits(from: number, to: number): { at: number; flipped: Buffer }[] {
  return Array.from({ length: 8 * (to - from) }, (_, n) => {
    const at = from + (n >> 3);
    const flipped = Buffer.from(carriage);
    flipped[at] = (flipped[at] ?? 0) ^ (1 << (n & 7));
    return { at, flipped };
  });
}

function lineStart(at: number): number {
  return carriage.lastIndexOf('\r\n', at - 1) + (at === 0 ? 1 : 2);
}

function next(character: string): string {
  return String.fromCharCode(character.charCodeAt(0) + 1);
}

test('a body is read if and only if it is what is written for the bytes that come of it', () => {
  const octet = fc.oneof(
    fc.constantFrom(...Buffer.from('-_=+/\r\n \0AQgw9z')),
    fc.integer({ min: 0, max: 255 }),
  );
  const change = fc.record({
    kind: fc.constantFrom<'put' | 'swap' | 'insert' | 'remove' | 'none'>(
      'put',
      'swap',
      'insert',
      'remove',
      'none',
    ),
    at: fc.nat(420),
    to: fc.nat(420),
    octet,
  });
  let read = 0;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(change, { maxLength: 3 }), (bytes, changes) => {
      const body = [...writeBody(bytes)];
      for (const { kind, at, to, octet: other } of changes) {
        const [one, two] = [at % (body.length + 1), to % (body.length + 1)];
        if (kind === 'put' && one < body.length) body[one] = other;
        else if (kind === 'insert') body.splice(one, 0, other);
        else if (kind === 'remove') body.splice(one, 1);
        else if (kind === 'swap' && one < body.length && two < body.length)
          [body[one], body[two]] = [body[two] as number, body[one] as number];
      }
      const changed = Buffer.from(body);
      const found = readBody(changed, bytes.length);
      const decoded = Buffer.from(changed.toString('latin1'), 'base64');
      const written = decoded.length === bytes.length && writeBody(decoded).equals(changed);
      expect(found !== undefined).toBe(written);
      expect(found ?? decoded).toEqual(decoded);
      if (found !== undefined) read += 1;
    }),
    { numRuns: 5_000 },
  );
  expect(read).toBeGreaterThan(100);
});
