import fc from 'fast-check';
import { unarmor } from 'openpgp';
import { describe, expect, test } from 'vitest';
import { decodeArmor, encodeArmor } from './armor.ts';

const utf8 = new TextEncoder();
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe('armor', () => {
  test('decode takes back encode', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        expect(decodeArmor(encodeArmor(bytes))).toEqual(bytes);
      }),
    );
  });

  test('the library reads it', async () => {
    const bytes = Uint8Array.from({ length: 200 }, (_, i) => i);
    const { data } = await unarmor(text(encodeArmor(bytes)));
    expect(data).toEqual(bytes);
  });

  test('has no header, lines of 64, a checksum and CRLF', () => {
    const lines = text(encodeArmor(new Uint8Array(100))).split('\r\n');
    expect(lines[0]).toBe('-----BEGIN PGP MESSAGE-----');
    expect(lines[1]).toBe('');
    expect(lines.slice(2, -3).map(({ length }) => length)).toEqual([64, 64, 8]);
    expect(lines.at(-3)).toMatch(/^=[A-Za-z0-9+/]{4}$/);
    expect(lines.at(-2)).toBe('-----END PGP MESSAGE-----');
  });

  const around = (inside: string, before = '', behind = ''): Uint8Array =>
    utf8.encode(
      `${before}-----BEGIN PGP MESSAGE-----\r\n${inside}\r\n-----END PGP MESSAGE-----\r\n${behind}`,
    );

  test.each([
    ['headers', 'Version: x\r\nComment: y: z\r\n\r\nAQID'],
    ['a header without a value', 'Comment:\r\n\r\nAQID'],
    ['a checksum', '\r\nAQID\r\n=AAAA'],
    ['blanks at line ends', '\r\nAQ\t\r\nID '],
  ])('takes %s', (_what, inside) => {
    expect(decodeArmor(around(inside))).toEqual(Uint8Array.of(1, 2, 3));
  });

  test.each([
    ['blank lines in front', (n: number) => around('\r\nAQID', '\r\n'.repeat(n))],
    ['blank lines behind', (n: number) => around('\r\nAQID', '', ' \r\n'.repeat(n))],
    ['headers', (n: number) => around(`${'A: b\r\n'.repeat(n)}\r\nAQID`)],
  ])('takes 100 %s and no more', (_what, armored) => {
    expect(decodeArmor(armored(100))).toEqual(Uint8Array.of(1, 2, 3));
    expect(decodeArmor(armored(101))).toBeUndefined();
  });

  test.each([
    ['no empty line', 'AQID'],
    ['a character of no alphabet', '\r\nAQI!'],
    ['padding that is missing', '\r\nAQ'],
    ['padding in the middle', '\r\nAQ==\r\nAQID'],
    ['too much padding', '\r\nAQI=='],
    ['padding of nothing', '\r\nAQID===='],
    ['one loose character', '\r\nAQIDA==='],
    ['bits that padding cuts off', '\r\nAR=='],
    ['two checksums', '\r\nAQID\r\n=AAAA\r\n=AAAA'],
    ['a short checksum', '\r\nAQID\r\n=AAA'],
    ['data behind the checksum', '\r\nAQID\r\n=AAAA\r\nAQID'],
    ['another end', '\r\nAQID\r\n-----END PGP SIGNATURE-----'],
    ['a CR alone', '\r\nAQ\rID'],
    ['another message', '\r\nAQID\r\n-----END PGP MESSAGE-----\r\n-----BEGIN PGP MESSAGE-----\r\n\r\nAQID'],
  ])('refuses %s', (_what, inside) => {
    expect(decodeArmor(around(inside))).toBeUndefined();
  });

  test('refuses text around it, and every truncation', () => {
    const armored = encodeArmor(Uint8Array.of(1, 2, 3, 4));
    expect(decodeArmor(utf8.encode(`hello\r\n${text(armored)}`))).toBeUndefined();
    expect(decodeArmor(utf8.encode(`${text(armored)}hello\r\n`))).toBeUndefined();
    expect(decodeArmor(utf8.encode(`\r\n \r\n${text(armored)}\r\n \r\n`))).toEqual(Uint8Array.of(1, 2, 3, 4));
    for (let length = 0; length < armored.length - 2; length++)
      expect(decodeArmor(armored.subarray(0, length))).toBeUndefined();
  });
});
