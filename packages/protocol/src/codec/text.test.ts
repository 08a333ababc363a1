import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { decodeHex, encodeHex } from './hex.ts';

const anyBytes = fc.uint8Array({ maxLength: 300 });

describe('base64', () => {
  test('decodes what it encoded, as Node does', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        const text = encodeBase64(bytes);
        expect(text).toBe(Buffer.from(bytes).toString('base64'));
        expect(decodeBase64(text)).toEqual(bytes);
      }),
    );
  });

  test('has one text for each byte string', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('A', 'B', '/', '+', '=', '9', ' ', '-'), maxLength: 12 }),
        (text) => {
          const bytes = decodeBase64(text);
          expect(bytes === undefined ? text : encodeBase64(bytes)).toBe(text);
        },
      ),
    );
  });

  test.each([
    'A',
    'AA',
    'AAA',
    'AAAAA',
    'AB==',
    'AAB=',
    '====',
    'A===',
    'AA=A',
    'AAAA\n',
    ' AAA',
    'AA-_',
    'AAAA====',
  ])('refuses %j', (text) => {
    expect(decodeBase64(text)).toBeUndefined();
  });

  test('takes a megabyte', () => {
    const bytes = new Uint8Array(1_000_001).map((_, i) => i % 256);
    expect(Buffer.compare(decodeBase64(encodeBase64(bytes)) ?? bytes.subarray(1), bytes)).toBe(0);
  });
});

describe('hex', () => {
  test('decodes what it encoded', () => {
    fc.assert(
      fc.property(anyBytes, (bytes) => {
        expect(decodeHex(encodeHex(bytes))).toEqual(bytes);
        expect(encodeHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
      }),
    );
  });

  test.each(['0', '0G', 'AB', '0x00', '00 ', '00\n', 'a-'])('refuses %j', (text) => {
    expect(decodeHex(text)).toBeUndefined();
  });
});
