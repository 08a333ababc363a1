import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createAutomaton, lowerCase } from './automaton.ts';

const letters = (max: number): fc.Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom('a', 'b', 'A'), maxLength: max });

function matches(patterns: readonly string[], data: string, fold?: Uint8Array): string[] {
  const found: string[] = [];
  createAutomaton(
    patterns.map((pattern) => Buffer.from(pattern)),
    fold,
  ).scan(Buffer.from(data), (pattern, end) => found.push(`${pattern}@${end}`));
  return found.sort();
}

test('finds what a search for one pattern after the other finds', () => {
  const patterns = fc.array(
    letters(5).filter((one) => one !== ''),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(patterns, letters(40), fc.boolean(), (sought, data, folded) => {
      const lower = (text: string): string => (folded ? text.toLowerCase() : text);
      const expected = sought.flatMap((pattern, index) =>
        Array.from(data, (_, at) => at)
          .filter((at) => lower(data).startsWith(lower(pattern), at))
          .map((at) => `${index}@${at + pattern.length - 1}`),
      );
      expect(matches(sought, data, folded ? lowerCase : undefined)).toEqual(expected.sort());
    }),
  );
});

test('an empty pattern is refused', () => {
  expect(() => createAutomaton([new Uint8Array()])).toThrow(RangeError);
});
