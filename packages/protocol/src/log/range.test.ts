import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  appendLeaf,
  type CompactRange,
  emptyRange,
  formatRange,
  headOf,
  isSameHead,
  parseRange,
  rangeOf,
  rootOfRange,
} from './range.ts';
import { emptyRoot, leafHash, subtreesOf } from './tree.ts';

const leaves = Array.from({ length: 300 }, (_, at) => leafHash(Uint8Array.of(at >> 8, at & 255)));
const subtree = subtreesOf((at) => leaves[at] as Uint8Array);
const grown = (size: number): CompactRange => leaves.slice(0, size).reduce(appendLeaf, emptyRange);

describe('a compact range', () => {
  test('has the root of the tree of each size, and is what the tree itself gives', () => {
    expect(rootOfRange(emptyRange)).toEqual(emptyRoot);
    let range = emptyRange;
    for (const [at, leaf] of leaves.entries()) {
      range = appendLeaf(range, leaf);
      expect(rootOfRange(range)).toEqual(subtree(0, at + 1));
      expect(range).toEqual(rangeOf(subtree, at + 1));
    }
    expect(headOf(grown(1))).toEqual({ size: 1, root: Buffer.from(leaves[0] ?? '').toString('hex') });
  });

  test('is one line, and no other line is one', () => {
    fc.assert(
      fc.property(fc.nat({ max: leaves.length }), (size) => {
        const range = grown(size);
        const text = formatRange(range);
        expect(parseRange(text)).toEqual(range);
        expect(text.length).toBeLessThanOrEqual(2_090);
        expect(isSameHead(headOf(range), headOf(grown(size)))).toBe(true);
        expect(isSameHead(headOf(range), headOf(grown(Math.max(0, size - 1))))).toBe(size === 0);
      }),
    );
    const other = { ...grown(2), hashes: [leaves[0] ?? emptyRoot] };
    expect(isSameHead(headOf(grown(2)), headOf(other))).toBe(false);
  });

  const hash = 'ab'.repeat(32);
  test.each([
    ['nothing', ''],
    ['no size', ` ${hash}`],
    ['a size with a zero before it', `01 ${hash}`],
    ['a negative size', `-1 ${hash}`],
    ['half a size', `0.5 ${hash}`],
    ['a hash too many', `1 ${hash} ${hash}`],
    ['a hash too few', `3 ${hash}`],
    ['a hash for no leaf', `0 ${hash}`],
    ['a short hash', `1 ${hash.slice(2)}`],
    ['a hash in capitals', `1 ${hash.toUpperCase()}`],
    ['two spaces', `1  ${hash}`],
    ['a newline', `1 ${hash}\n`],
    ['more leaves than epochs', `4294967297 ${hash} ${hash}`],
    ['more than fits a number', `${'9'.repeat(40)} ${hash}`],
  ])('is not %s', (_, text) => {
    expect(parseRange(text)).toBeUndefined();
  });

  test('may be as long as there are epochs', () => {
    expect(parseRange(`4294967296 ${hash}`)?.size).toBe(2 ** 32);
    expect(
      parseRange(['4294967295', ...Array.from({ length: 32 }, () => hash)].join(' '))?.hashes,
    ).toHaveLength(32);
  });
});
