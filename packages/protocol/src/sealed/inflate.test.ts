import { constants, deflateRawSync, deflateSync, type ZlibOptions } from 'node:zlib';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { concat } from '../codec/bytes.ts';
import { zlibWork } from '../testing/counted-pako.ts';
import { times } from '../testing/people.ts';
import { inflate } from './inflate.ts';

vi.mock('pako', async (original) => {
  const { countedPako } = await import('../testing/counted-pako.ts');
  return countedPako(await original());
});

beforeEach(() => {
  Object.assign(zlibWork, { bytes: 0, calls: 0 });
});

const mostBytes = 26_000_000;
const end = Uint8Array.of(3, 0);

/** Not the last block; ends on a byte. */
const flushed = (bytes: Uint8Array): Uint8Array =>
  deflateRawSync(bytes, { finishFlush: constants.Z_FULL_FLUSH });

/** Bytes that look like a language's: not random, nor all the same. */
function text(length: number): Uint8Array {
  let state = 1;
  return Uint8Array.from({ length }, () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return 97 + (((state >>> 16) * (state >>> 24)) >>> 20);
  });
}

describe('what was compressed comes out', () => {
  const bytes = text(300_000);

  test.each<ZlibOptions>([
    {},
    { level: 0 },
    { level: 1 },
    { strategy: constants.Z_FIXED },
    { strategy: constants.Z_HUFFMAN_ONLY },
    { windowBits: 9 },
    { memLevel: 2 },
  ])('%j', (options) => {
    expect(Buffer.compare(bytesOf(inflate(deflateRawSync(bytes, options), 'deflate', 300_000)), bytes)).toBe(
      0,
    );
    expect(Buffer.compare(bytesOf(inflate(deflateSync(bytes, options), 'zlib', 300_000)), bytes)).toBe(0);
  });

  test.each([0, 1, 65_535, 65_536, 65_537])('%i bytes', (length) => {
    const some = bytes.subarray(0, length);
    expect(Buffer.compare(bytesOf(inflate(deflateRawSync(some), 'deflate', length)), some)).toBe(0);
  });

  test('by a program that flushes each kilobyte', () => {
    const pieces = Array.from({ length: 290 }, (_, at) => bytes.subarray(at * 1_024, (at + 1) * 1_024));
    const inflated = inflate(concat(...pieces.map(flushed), end), 'deflate', mostBytes);
    expect(Buffer.compare(bytesOf(inflated), bytes.subarray(0, 290 * 1_024))).toBe(0);
  });
});

describe('it gives up', () => {
  test('on 500 MB once the limit is passed', () => {
    const bomb = concat(times(500, flushed(new Uint8Array(1_000_000))), end);
    expect(bomb.length).toBeLessThan(1_000_000);
    expect(inflate(bomb, 'deflate', mostBytes)).toBe('too-large');
    expect(zlibWork.bytes).toBeLessThan(mostBytes + 65_537);
  });

  test('one byte above the limit, and not at it', () => {
    const bytes = deflateRawSync(new Uint8Array(mostBytes));
    expect(bytesOf(inflate(bytes, 'deflate', mostBytes))).toHaveLength(mostBytes);
    expect(inflate(bytes, 'deflate', mostBytes - 1)).toBe('too-large');
  });

  // Four of ten bits each; one whose bytes follow as they are.
  const emptyFixed = Uint8Array.of(0x02, 0x08, 0x20, 0x80, 0x00);
  const emptyStored = Uint8Array.of(0, 0, 0, 255, 255);

  test.each([
    ['of which each is empty', emptyFixed],
    ['without a code', emptyStored],
  ])('on 25 MB of blocks %s, after the first thousand', (_what, unit) => {
    const blocks = concat(times(25_000_000 / unit.length, unit), end);
    expect(inflate(blocks, 'deflate', mostBytes)).toBe('malformed-compression');
    expect(zlibWork).toEqual({ bytes: 0, calls: 1_001 });
  });

  test('on one block more than what comes out allows', () => {
    const stored = Uint8Array.of(0, 0, 10, 255, 245, ...text(2_560));
    const blocks = (count: number): Uint8Array => concat(stored, times(count - 2, emptyStored), end);
    expect(bytesOf(inflate(blocks(1_010), 'deflate', mostBytes))).toHaveLength(2_560);
    expect(inflate(blocks(1_011), 'deflate', mostBytes)).toBe('malformed-compression');
    const head = Uint8Array.of(0x78, 0x9c);
    const sum = deflateSync(text(2_560)).subarray(-4);
    expect(bytesOf(inflate(concat(head, blocks(1_010), sum), 'zlib', mostBytes))).toHaveLength(2_560);
    expect(inflate(concat(head, blocks(1_011), sum), 'zlib', mostBytes)).toBe('malformed-compression');
  });
});

test('what is cut short or damaged is refused', () => {
  const whole = deflateSync(text(2_000));
  for (let length = 0; length < whole.length; length += 1)
    expect(inflate(whole.subarray(0, length), 'zlib', mostBytes)).toBe('malformed-compression');
  whole[whole.length - 1] = (whole.at(-1) ?? 0) ^ 1;
  expect(inflate(whole, 'zlib', mostBytes)).toBe('malformed-compression');
});

function bytesOf(inflated: ReturnType<typeof inflate>): Uint8Array {
  if (typeof inflated === 'string') throw new Error(inflated);
  return inflated;
}
