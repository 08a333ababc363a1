import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ByteReader, ByteWriter, concat, decodeBytes, equalBytes } from './bytes.ts';

const bytes = (most: number) => fc.uint8Array({ maxLength: most });

test('what was written is read', () => {
  fc.assert(
    fc.property(
      fc.nat(255),
      fc.nat(65_535),
      fc.nat(2 ** 32 - 1),
      bytes(255),
      bytes(1000),
      bytes(40),
      (a, b, c, short, long, rest) => {
        const encoded = new ByteWriter()
          .u8(a)
          .u16(b)
          .u32(c)
          .vector8(short)
          .vector16(long)
          .zeros(2)
          .bytes(rest)
          .finish();
        const decoded = decodeBytes(encoded, (r) => [
          r.u8(),
          r.u16(),
          r.u32(),
          r.vector8(),
          r.vector16(),
          r.bytes(2),
          r.rest(),
        ]);
        expect(decoded).toEqual([a, b, c, short, long, new Uint8Array(2), rest]);
      },
    ),
  );
});

test('integers are big-endian', () => {
  expect(new ByteWriter().u8(1).u16(0x0203).u32(0x04050607).finish()).toEqual(
    Uint8Array.of(1, 2, 3, 4, 5, 6, 7),
  );
});

describe('strict', () => {
  const encoded = new ByteWriter()
    .u32(7)
    .vector8(Uint8Array.of(1, 2, 3))
    .finish();
  const read = (r: ByteReader) => [r.u32(), r.vector8()];

  test('every truncation and every extension is refused', () => {
    expect(decodeBytes(encoded, read)).toBeDefined();
    for (let length = 0; length < encoded.length; length++) {
      expect(decodeBytes(encoded.subarray(0, length), read)).toBeUndefined();
    }
    expect(decodeBytes(concat(encoded, Uint8Array.of(0)), read)).toBeUndefined();
  });

  test('a fault of the caller is not taken for a refusal', () => {
    expect(() =>
      decodeBytes(encoded, () => {
        throw new TypeError('mine');
      }),
    ).toThrow(TypeError);
  });

  test.each([-1, 256, 1.5, Number.NaN])('u8 refuses %d', (value) => {
    expect(() => new ByteWriter().u8(value)).toThrow(RangeError);
  });

  test('a vector is refused when its length does not fit', () => {
    expect(() => new ByteWriter().vector8(new Uint8Array(256))).toThrow(RangeError);
    expect(() => new ByteWriter().vector16(new Uint8Array(65_536))).toThrow(RangeError);
  });

  test('u32 takes what has the highest bit set', () => {
    expect(new ByteReader(Uint8Array.of(255, 255, 255, 255)).u32()).toBe(2 ** 32 - 1);
  });
});

test('equal bytes are equal in length and value', () => {
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
  expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 0))).toBe(false);
});
