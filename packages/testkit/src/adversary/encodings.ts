import { deflateRawSync, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { SeededRandom } from '../chance/seeded-random.ts';

/** Every encoding in which the adversary has to see a line of text, for tests that hide one. */
export const encodings: Record<string, (text: string) => Uint8Array | string> = {
  'as it is': (text) => text,
  'in capitals': (text) => text.toUpperCase(),
  'decomposed (NFD)': (text) => text.normalize('NFD'),
  'UTF-16, little end first': (text) => Buffer.from(text, 'utf16le'),
  'UTF-16, big end first': (text) => Buffer.from(text, 'utf16le').swap16(),
  'Latin-1': (text) => Buffer.from(text, 'latin1'),
  'hex, lower case': (text) => Buffer.from(text).toString('hex'),
  'hex, capitals': (text) => Buffer.from(text).toString('hex').toUpperCase(),
  'hex with colons': (text) => (Buffer.from(text).toString('hex').match(/../g) ?? []).join(':'),
  percent: (text) => encodeURIComponent(text),
  'percent, every byte': (text) => [...Buffer.from(text)].map((byte) => `%${byte.toString(16)}`).join(''),
  'quoted-printable': (text) =>
    [...Buffer.from(text)].map((b) => (b < 128 ? String.fromCharCode(b) : `=${b.toString(16)}`)).join(''),
  'quoted-printable with soft line breaks inside words': (text) =>
    (text.match(/.{1,7}/gs) ?? []).join('=\r\n').replaceAll('ü', '=C3=BC').replaceAll('ß', '=C3=9F'),
  'JSON escapes': (text) => JSON.stringify(text).replaceAll('ü', '\\u00fc').replaceAll('ß', '\\u00df'),
  base64: (text) => Buffer.from(text).toString('base64'),
  'base64, one byte on': (text) => Buffer.from(`#${text}`).toString('base64'),
  'base64, two bytes on': (text) => Buffer.from(`##${text}`).toString('base64'),
  'base64, one character lost': (text) => Buffer.from(text).toString('base64').slice(1),
  'base64, URL-safe': (text) => Buffer.from(text).toString('base64url'),
  'base64 in MIME lines': (text) =>
    (
      Buffer.from(text.repeat(9))
        .toString('base64')
        .match(/.{1,76}/g) ?? []
    ).join('\r\n'),
  'base64 in lines, inside JSON': (text) =>
    JSON.stringify({
      key: (
        Buffer.from(text)
          .toString('base64')
          .match(/.{1,20}/g) ?? []
      ).join('\n'),
    }),
  gzip: (text) => gzipSync(text),
  zlib: (text) => deflateSync(text),
  'zlib, small window': (text) => deflateSync(text, { windowBits: 9, level: 9 }),
  zstd: (text) => zstdCompressSync(text),
  'a ZIP entry': (text) =>
    Buffer.concat([
      Buffer.from('504b0304140000000800', 'hex'),
      Buffer.alloc(16),
      Buffer.from([1, 0, 0, 0, 0x66]),
      deflateRawSync(text),
    ]),
  'an OpenPGP compressed packet': (text) => {
    const stream = deflateRawSync(text);
    return Buffer.concat([Buffer.from([0xc8, stream.length + 1, 1]), stream]);
  },
  'gzip cut short': (text) =>
    gzipSync(text + Buffer.from(new SeededRandom('cut').bytes(400)).toString('hex')).subarray(0, -100),
  'gzip inside base64 inside gzip': (text) => gzipSync(gzipSync(text).toString('base64')),
  'an encoded word': (text) => `Subject: =?UTF-8?B?${Buffer.from(text).toString('base64')}?=`,
};
