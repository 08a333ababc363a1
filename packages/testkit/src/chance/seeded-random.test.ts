import { describe, expect, test } from 'vitest';
import { SeededRandom } from './seeded-random.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('seeded chance', () => {
  test('repeats itself, however the bytes are asked for', () => {
    const whole = new SeededRandom(7).bytes(100);
    const parts = new SeededRandom(7);
    expect(hex(Buffer.concat([parts.bytes(1), parts.bytes(33), parts.bytes(66)]))).toBe(hex(whole));
  });

  test('never changes: the first bytes of seed 1', () => {
    // AES-256-CTR, key SHA-256("1"), counter from zero, over zeros
    expect(hex(new SeededRandom(1).bytes(8))).toBe('0eeece4b56edaf65');
  });

  test('differs by seed and by fork', () => {
    const streams = [
      new SeededRandom(1),
      new SeededRandom(2),
      new SeededRandom(1).fork('a'),
      new SeededRandom(1).fork('b'),
      new SeededRandom(1).fork('a').fork('b'),
    ];
    expect(new Set(streams.map((stream) => hex(stream.bytes(16)))).size).toBe(streams.length);
  });

  test('a fork does not disturb its parent', () => {
    const alone = new SeededRandom('x').bytes(8);
    const parent = new SeededRandom('x');
    parent.fork('y').bytes(1_000);
    expect(hex(parent.bytes(8))).toBe(hex(alone));
  });

  test('looks like chance: every bit is set about half the time', () => {
    const bytes = new SeededRandom('bits').bytes(80_000);
    for (let bit = 0; bit < 8; bit++) {
      const set = bytes.reduce((sum, byte) => sum + ((byte >> bit) & 1), 0);
      expect(Math.abs(set - 40_000)).toBeLessThan(1_000);
    }
  });
});
