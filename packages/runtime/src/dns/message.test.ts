import { decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeMessage, encodeQuery } from './message.ts';
import { compareNames, nameToWire, parseName, readName, root } from './name.ts';
import { types } from './types.ts';

const packet: Packet = {
  type: 'response',
  id: 4711,
  questions: [{ name: 'b.test', type: 'MX' }],
  answers: [
    { type: 'CNAME', name: 'b.test', ttl: 1, data: 'c.test' },
    { type: 'MX', name: 'c.test', ttl: 2, data: { preference: 7, exchange: 'mx.c.test' } },
  ],
  authorities: [{ type: 'NS', name: 'test', ttl: 3, data: 'ns.test' }],
  additionals: [{ type: 'A', name: 'mx.c.test', ttl: 4, data: '192.0.2.1' }],
};

describe('a question', () => {
  test('is what another library reads', () => {
    const query = decode(encodeQuery({ id: 4711, name: 'b.test.', type: types.TXT, checkingDisabled: true }));
    expect(query).toMatchObject({
      type: 'query',
      id: 4711,
      flag_rd: true,
      flag_cd: true,
      questions: [{ name: 'b.test', type: 'TXT' }],
    });
  });
});

describe('a message', () => {
  test('is read as another library writes it', () => {
    expect(decodeMessage(encode(packet))).toMatchObject({
      id: 4711,
      rcode: 0,
      question: { name: 'b.test.', type: types.MX },
      answer: [
        { name: 'b.test.', type: types.CNAME, ttl: 1 },
        {
          name: 'c.test.',
          type: types.MX,
          ttl: 2,
          data: Buffer.from('0007026d780163047465737400', 'hex'),
        },
      ],
      authority: [{ name: 'test.', type: types.NS, ttl: 3 }],
    });
  });

  test('every cut is refused, and no octet in another’s place makes it throw', () => {
    const whole = encode(packet);
    for (let length = 0; length < whole.length; length += 1)
      expect(decodeMessage(whole.subarray(0, length))).toBeUndefined();
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.integer({ min: 0, max: 255 }), (at, octet) => {
        const changed = Uint8Array.from(whole);
        changed[at] = octet;
        decodeMessage(changed);
      }),
      { numRuns: 2_000 },
    );
  });

  test('no octets make it throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decodeMessage(bytes);
        decodeMessage(Buffer.concat([Buffer.from('000080000001000100010001', 'hex'), bytes]));
      }),
      { numRuns: 2_000 },
    );
    expect(decodeMessage(Buffer.from('000080000001000100010001', 'hex'))).toBeUndefined();
  });

  test('a query is no answer', () => {
    expect(
      decodeMessage(encodeQuery({ id: 1, name: root, type: 1, checkingDisabled: false })),
    ).toBeUndefined();
  });
});

describe('a name', () => {
  test('has one spelling: a dot inside a label is no boundary', () => {
    const odd = Buffer.from([3, 0x41, 0x2e, 0x62, 2, 0xff, 0x5c, 0]);
    expect(readName(odd, 0)).toEqual({ name: 'a\\046b.\\255\\092.', next: 8 });
    expect(nameToWire('a\\046b.\\255\\092.')).toEqual(Buffer.from([3, 0x61, 0x2e, 0x62, 2, 0xff, 0x5c, 0]));
  });

  test('comes back from its octets', () => {
    const label = fc.uint8Array({ minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(fc.array(label, { maxLength: 8 }), (labels) => {
        const wire = Buffer.concat([
          ...labels.flatMap((each) => [Buffer.of(each.length), each]),
          Buffer.of(0),
        ]);
        const read = readName(wire, 0);
        expect(read?.next).toBe(wire.length);
        expect(readName(nameToWire(read?.name ?? ''), 0)?.name).toBe(read?.name);
      }),
    );
  });

  test.each([
    ['a pointer to itself', [0xc0, 0]],
    ['pointers to each other', [0xc0, 2, 0xc0, 0]],
    ['a pointer forwards', [0xc0, 2, 0]],
    ['a pointer beyond', [0xc1, 0xff]],
    ['half a pointer', [0xc0]],
    ['a label of another kind', [0x40, 0]],
    ['a label that ends beyond', [5, 0x61]],
    ['no end', [1, 0x61]],
    ['more than 255 octets', [...Array.from({ length: 128 }, () => [1, 0x61]).flat(), 0]],
  ])('%s is none', (_what, octets) => {
    expect(readName(Uint8Array.from(octets), 0)).toBeUndefined();
  });

  test('many pointers in a row are none', () => {
    const chain = Array.from({ length: 100 }, (_, at) => (at === 0 ? [0, 0] : [0xc0, 2 * (at - 1)])).flat();
    expect(readName(Uint8Array.from(chain), 198)).toBeUndefined();
    expect(readName(Uint8Array.from(chain), 20)).toEqual({ name: root, next: 22 });
  });

  test('RFC 4034 section 6.1: the canonical order', () => {
    const sorted = [
      'example.',
      'a.example.',
      'yljkjljk.a.example.',
      'z.a.example.',
      'zabc.a.example.',
      'z.example.',
      '\\001.z.example.',
      '*.z.example.',
      '\\200.z.example.',
    ];
    expect([...sorted].reverse().sort(compareNames)).toEqual(sorted);
    expect(parseName('Z.a.EXAMPLE')).toBe('z.a.example.');
  });
});
