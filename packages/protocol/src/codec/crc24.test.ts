import { expect, test } from 'vitest';
import { crc24 } from './crc24.ts';

test.each([
  // The check value that catalogues of checksums give for CRC-24/OPENPGP.
  ['123456789', 0x21cf02],
  ['', 0xb704ce],
])('CRC-24 of %j', (text, crc) => {
  expect(crc24(new TextEncoder().encode(text))).toBe(crc);
});
