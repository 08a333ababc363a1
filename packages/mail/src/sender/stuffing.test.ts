import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stuff } from './stuffing.ts';

test('doubles the dots that a regular expression finds at the begin of lines, and no others', () => {
  const octets = fc
    .array(fc.constantFrom('.', '\r\n', 'x', '\n', '\r'), { maxLength: 30 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(octets, fc.boolean(), (text, atLineStart) => {
      const expected = text.replace(atLineStart ? /(^|\n)\./g : /(\n)\./g, '$1..');
      expect(stuff(Buffer.from(text, 'latin1'), atLineStart).toString('latin1')).toBe(expected);
    }),
    { numRuns: 3000 },
  );
});
