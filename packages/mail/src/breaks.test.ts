import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextBreak, viewOf } from './breaks.ts';

test('finds what a regular expression finds, wherever the octets begin in their memory', () => {
  const octet = fc.oneof(
    fc.constantFrom(0x00, 0x09, 0x0a, 0x0b, 0x0d, 0x0e, 0x7f, 0x80, 0x8a, 0x8d, 0xff),
    fc.integer({ min: 0, max: 255 }),
  );
  fc.assert(
    fc.property(
      fc.array(octet, { maxLength: 24 }),
      fc.nat({ max: 7 }),
      fc.nat({ max: 24 }),
      (octets, offset, start) => {
        const from = Math.min(start, octets.length);
        const text = Buffer.from(octets).toString('latin1');
        const found = text.slice(from).search(/[\r\n]/);
        const memory = Buffer.concat([Buffer.alloc(offset, '\n'), Buffer.from(octets), Buffer.from('\r')]);
        const view = viewOf(memory.subarray(offset, offset + octets.length));
        expect(nextBreak(view, from)).toBe(found === -1 ? -1 : found + from);
      },
    ),
    { numRuns: 3000 },
  );
});
