import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { concat, equalBytes } from '../codec/bytes.ts';
import { hashOfLeaf, type Leaf } from './leaf.ts';
import { headOf, rangeOf } from './range.ts';
import { createRows } from './rows.ts';
import {
  decodeBundle,
  decodeTile,
  encodeBundle,
  formatTileName,
  MissingTile,
  parseTileName,
  subtreesOfTiles,
  type TileName,
  tilesOf,
} from './tiles.ts';
import {
  type Hash,
  isConsistent,
  isIncluded,
  leafHash,
  proveConsistency,
  proveInclusion,
  subtreesOf,
} from './tree.ts';

const size = 70_000;
const leaves = Array.from({ length: size }, (_, at) => leafHash(Buffer.from(`leaf ${at}`)));
const rows = createRows();
for (const leaf of leaves) rows.append(leaf);
const judge = subtreesOf((at) => leaves[at] as Hash);
const levels = [0, 1, 2, 3];
const names = (level: number | 'entries', of: number, from?: number): string[] =>
  tilesOf(level, of, from).map(formatTileName);

/** Hashes as somebody has them who has fetched these tiles. */
function fetched(tiles: readonly TileName[]): (level: number, at: number) => Hash | undefined {
  const held = new Map<string, Hash>();
  for (const name of tiles) {
    const { level, index } = name as TileName & { level: number };
    const hashes = decodeTile(name, rows.tile({ ...name, level }) ?? new Uint8Array());
    for (const [at, hash] of (hashes ?? []).entries()) held.set(`${level} ${index * 256 + at}`, hash);
  }
  return (level, at) => held.get(`${level} ${at}`);
}

describe('the name of a tile (C2SP tlog-tiles)', () => {
  test.each<[string, TileName]>([
    ['0/000', { level: 0, index: 0, width: 256 }],
    ['0/x001/x234/067', { level: 0, index: 1_234_067, width: 256 }],
    ['entries/x001/x234/067.p/8', { level: 'entries', index: 1_234_067, width: 8 }],
    ['63/999.p/255', { level: 63, index: 999, width: 255 }],
    ['1/x001/000.p/1', { level: 1, index: 1_000, width: 1 }],
  ])('%s', (text, name) => {
    expect(formatTileName(name)).toBe(text);
    expect(parseTileName(text)).toEqual(name);
  });

  test.each([
    '',
    '0',
    '0/',
    '0/0',
    '0/00',
    '0/0000',
    '0/1000',
    '00/000',
    '64/000',
    '-1/000',
    '0/x000/000',
    '0/001/000',
    '0/x001/0',
    '0/x001/x000',
    '0/000.p/0',
    '0/000.p/01',
    '0/000.p/256',
    '0/000.p/',
    '0/000.p/-1',
    '0/000.p',
    '0/000/',
    '/0/000',
    'entries/000.p/0',
    'entry/000',
    'x/000',
    '0/000?',
    '0/000\n',
    '0/x001/x001/x001/x001/x001/001',
    '0/٠٠٠',
    '0/../000',
  ])('is not %j', (text) => {
    expect(parseTileName(text)).toBeUndefined();
  });

  test('reads back what it writes', () => {
    const parts = { index: fc.nat(2 ** 32), width: fc.integer({ min: 1, max: 256 }) };
    const level = fc.oneof(fc.integer({ min: 0, max: 63 }), fc.constant('entries' as const));
    fc.assert(
      fc.property(fc.record({ level, ...parts }), (name) => {
        expect(parseTileName(formatTileName(name))).toEqual(name);
      }),
    );
  });
});

test('a tree of 70,000 has the tiles that C2SP says, and of 256 a full one and a partial one', () => {
  expect(names(0, size)).toHaveLength(274);
  expect(names(0, size).at(-1)).toBe('0/273.p/112');
  expect(levels.slice(1).flatMap((level) => names(level, size))).toEqual([
    '1/000',
    '1/001.p/17',
    '2/000.p/1',
  ]);
  expect(levels.flatMap((level) => names(level, 256))).toEqual(['0/000', '1/000.p/1']);
  expect(names('entries', 257)).toEqual(['entries/000', 'entries/001.p/1']);
  expect(names(0, size, 69_000)).toEqual(['0/269', '0/270', '0/271', '0/272', '0/273.p/112']);
  expect(levels.flatMap((level) => names(level, 0))).toEqual([]);
});

describe('rows of a log', () => {
  test('give each tile of each size, and none that the log does not reach', () => {
    for (const level of levels.slice(0, 3)) {
      for (const name of tilesOf(level, size)) {
        const hashes = decodeTile(name, rows.tile({ ...name, level }) ?? new Uint8Array());
        const span = 256 ** level;
        const [first] = hashes ?? [];
        const from = name.index * 256 * span;
        expect(equalBytes(first ?? new Uint8Array(), judge(from, from + span))).toBe(true);
      }
    }
    expect(rows.tile({ level: 0, index: 0, width: 3 })).toEqual(concat(...leaves.slice(0, 3)));
    expect(rows.tile({ level: 0, index: 273, width: 113 })).toBeUndefined();
    expect(rows.tile({ level: 0, index: 273, width: 256 })).toBeUndefined();
    expect(rows.tile({ level: 3, index: 0, width: 1 })).toBeUndefined();
    expect(rows.tile({ level: 0, index: 2 ** 32, width: 1 })).toBeUndefined();
  });
});

describe('the tiles of a log', () => {
  const all = subtreesOfTiles(fetched(levels.flatMap((level) => tilesOf(level, size))));
  const sizes = fc.oneof(
    fc.integer({ min: 1, max: 2_000 }),
    fc.constantFrom(1, 255, 256, 257, 65_535, 65_536, 65_537, size),
  );

  test('have the roots that the leaves have', () => {
    expect(all(0, size)).toEqual(judge(0, size));
    fc.assert(
      fc.property(sizes, (some) => {
        expect(headOf(rangeOf(all, some)).root).toBe(Buffer.from(judge(0, some)).toString('hex'));
      }),
      { numRuns: 8 },
    );
  });

  test('prove inclusion and consistency as the leaves do', () => {
    const newer = { size, root: judge(0, size) };
    fc.assert(
      fc.property(sizes, (before) => {
        const consistency = proveConsistency(all, before, size);
        expect(consistency).toEqual(proveConsistency(judge, before, size));
        expect(isConsistent({ size: before, root: judge(0, before) }, newer, consistency)).toBe(true);
        const inclusion = proveInclusion(all, before - 1, size);
        expect(inclusion).toEqual(proveInclusion(judge, before - 1, size));
        expect(isIncluded(leaves[before - 1] as Hash, before - 1, newer, inclusion)).toBe(true);
      }),
      { numRuns: 5 },
    );
  });

  test('say so when one is missing', () => {
    const some = subtreesOfTiles(
      fetched([...tilesOf(1, size), ...tilesOf(2, size), ...tilesOf(0, size, 69_000)]),
    );
    expect(some(0, size)).toEqual(judge(0, size));
    expect(() => some(0, 1)).toThrow(MissingTile);
    expect(() => proveInclusion(some, 68_000, size)).toThrow(MissingTile);
  });
});

describe('a tile is refused', () => {
  const bytes = concat(...leaves.slice(0, 3));
  test.each([
    ['empty', Buffer.alloc(0)],
    ['a byte short', bytes.subarray(1)],
    ['a byte long', Buffer.concat([bytes, Buffer.of(0)])],
    ['a hash short', bytes.subarray(32)],
    ['a hash long', Buffer.concat([bytes, Buffer.alloc(32)])],
  ])('%s', (_, given) => {
    expect(decodeTile({ width: 3 }, given)).toBeUndefined();
    expect(decodeTile({ width: 3 }, bytes)).toEqual(leaves.slice(0, 3));
  });
});

describe('an entry bundle', () => {
  const some: Leaf[] = [0, 7, 2 ** 32 - 1].map((epoch) => ({ epoch, digest: 'ab'.repeat(32) }));
  const bytes = encodeBundle(some);
  const framed = (text: string): Uint8Array =>
    Uint8Array.of(text.length >> 8, text.length & 255, ...Buffer.from(text));
  const [digest, other] = ['ab'.repeat(32), 'AB'.repeat(32)];
  const head = 'postern.leaf/v1\n';

  test('has each leaf behind its length, and hashes as its tile does', () => {
    expect(decodeBundle({ width: 3 }, bytes)).toEqual(some);
    const [first] = some;
    const text = `${head}{"digest":"${digest}","epoch":0}\n`;
    expect(bytes.subarray(0, 2 + text.length)).toEqual(framed(text));
    expect(first && hashOfLeaf(first)).toEqual(leafHash(Buffer.from(text)));
  });

  test('is refused with a byte more or fewer, and with any that is changed so that it is read otherwise', () => {
    for (const width of [0, 1, 2, 4, 256]) expect(decodeBundle({ width }, bytes)).toBeUndefined();
    for (let end = 0; end < bytes.length; end++)
      expect(decodeBundle({ width: 3 }, bytes.subarray(0, end))).toBeUndefined();
    for (let at = 0; at < bytes.length; at++) {
      const changed = Uint8Array.from(bytes);
      changed[at] = (changed[at] ?? 0) ^ 1;
      const read = decodeBundle({ width: 3 }, changed);
      expect(read === undefined ? changed : encodeBundle(read)).toEqual(changed);
    }
  });

  test.each([
    ['another origin', `postern.leaf/v2\n{"digest":"${digest}","epoch":1}\n`],
    ['no newline', `${head}{"digest":"${digest}","epoch":1}`],
    ['a space', `${head}{"digest":"${digest}", "epoch":1}\n`],
    ['another order', `${head}{"epoch":1,"digest":"${digest}"}\n`],
    ['a member more', `${head}{"digest":"${digest}","epoch":1,"x":1}\n`],
    ['a member fewer', `${head}{"digest":"${digest}"}\n`],
    ['a digest in capitals', `${head}{"digest":"${other}","epoch":1}\n`],
    ['a short digest', `${head}{"digest":"ab","epoch":1}\n`],
    ['half an epoch', `${head}{"digest":"${digest}","epoch":0.5}\n`],
    ['a negative epoch', `${head}{"digest":"${digest}","epoch":-1}\n`],
    ['an epoch beyond 32 bits', `${head}{"digest":"${digest}","epoch":4294967296}\n`],
    ['an epoch in quotes', `${head}{"digest":"${digest}","epoch":"1"}\n`],
    ['null', `${head}null\n`],
    ['a list', `${head}[]\n`],
    ['no JSON', `${head}{\n`],
    ['nothing', ''],
    ['more than any leaf', `${head}${' '.repeat(65_000)}\n`],
  ])('is refused with a leaf of %s', (_, text) => {
    expect(decodeBundle({ width: 1 }, framed(text))).toBeUndefined();
  });
});
