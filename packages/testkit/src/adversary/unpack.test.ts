import { expect, test } from 'vitest';
import { unpack } from './unpack.ts';

const hidden = Buffer.from('00112233445566778899aabbccddeeff', 'hex');

test.each(['', '7', 'f ', 'e0', 'c0:f'])('hex is decoded to its last byte, behind %j', (before) => {
  for (const separator of ['', ' ', ':']) {
    const pairs = hidden.toString('hex').match(/../g) ?? [];
    const text = `-${before}${pairs.join(separator)}-`;
    const decoded = [...unpack(Buffer.from(text))].filter(({ how }) => how === 'hex');
    expect(decoded.some(({ bytes }) => bytes.includes(hidden))).toBe(true);
  }
});
