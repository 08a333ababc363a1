import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat } from './bytes.ts';
import { framePackets, writePacket } from './openpgp.ts';

const bodies = fc.integer({ min: 0, max: 600 }).map((length) => Uint8Array.from({ length }, (_, i) => i * 7));
const newTypes = fc.integer({ min: 1, max: 63 });
const oldTypes = fc.integer({ min: 1, max: 15 });

/** As short a length as it can be (RFC 9580 section 4.2.1). */
function shortest(type: number, body: Uint8Array): Uint8Array {
  const rest = body.length - 192;
  const length = rest < 0 ? [body.length] : [(rest >> 8) + 192, rest & 255];
  return concat(Uint8Array.of(0xc0 | type, ...length), body);
}

function old(type: number, body: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(0x81 | (type << 2), body.length >> 8, body.length & 255), body);
}

const definite = fc.oneof(
  fc.tuple(newTypes, bodies).map(([type, body]) => ({ type, body, bytes: writePacket(type, body) })),
  fc.tuple(newTypes, bodies).map(([type, body]) => ({ type, body, bytes: shortest(type, body) })),
  fc.tuple(oldTypes, bodies).map(([type, body]) => ({ type, body, bytes: old(type, body) })),
);

describe('framing', () => {
  test('finds every packet that was written, whatever its length is written in', () => {
    fc.assert(
      fc.property(fc.array(definite, { maxLength: 8 }), (packets) => {
        const framed = framePackets(concat(...packets.map(({ bytes }) => bytes)), 8);
        expect(framed?.map(({ type, body }) => ({ type, body: [...body] }))).toEqual(
          packets.map(({ type, body }) => ({ type, body: [...body] })),
        );
      }),
    );
  });

  test('joins partial lengths', () => {
    const body = Uint8Array.from({ length: 512 + 2 + 5 }, (_, i) => i % 256);
    const bytes = concat(
      Uint8Array.of(0xd2, 0xe9),
      body.subarray(0, 512),
      Uint8Array.of(0xe1),
      body.subarray(512, 514),
      Uint8Array.of(5),
      body.subarray(514),
      writePacket(21),
    );
    const framed = framePackets(bytes, 2);
    expect(framed?.map(({ length }) => length)).toEqual(['partial', 'definite']);
    expect(framed?.[0]?.body).toEqual(body);
  });

  test('takes an indeterminate length to the end', () => {
    const framed = framePackets(Uint8Array.of(0xa3, 1, 2, 3), 1);
    expect(framed).toEqual([{ type: 8, body: Uint8Array.of(1, 2, 3), length: 'indeterminate', end: 4 }]);
  });

  test('refuses every truncation', () => {
    fc.assert(
      fc.property(definite, ({ bytes }) => {
        for (let length = 1; length < Math.min(bytes.length, 40); length++)
          expect(framePackets(bytes.subarray(0, length), 8)).toBeUndefined();
        expect(framePackets(bytes.subarray(0, -1), 8)).toBeUndefined();
      }),
      { numRuns: 50 },
    );
    const partial = concat(Uint8Array.of(0xd2, 0xe1, 7, 7), Uint8Array.of(0xe1, 7));
    expect(framePackets(partial, 8)).toBeUndefined();
  });

  test('refuses what is no packet, and more packets than asked for', () => {
    expect(framePackets(Uint8Array.of(0x7f, 0), 8)).toBeUndefined();
    const three = concat(writePacket(10), writePacket(10), writePacket(10));
    expect(framePackets(three, 3)).toHaveLength(3);
    expect(framePackets(three, 2)).toBeUndefined();
  });
});
