import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { below, exponential, type Random, shuffled, systemRandom, uniform } from './random.ts';

const only = (value: number): Random => ({ bytes: (length) => new Uint8Array(length).fill(value) });

describe('uniform', () => {
  test('lies in [0, 1)', () => {
    expect(uniform(only(0))).toBe(0);
    expect(uniform(only(255))).toBe(1 - 2 ** -53);
  });

  test('has the mean of its distribution', () => {
    expect(mean(20_000, () => uniform(systemRandom))).toBeCloseTo(0.5, 1);
  });
});

describe('below', () => {
  test('lies under its bound', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 53 }), (bound) => {
        const value = below(systemRandom, bound);
        expect(Number.isInteger(value) && value >= 0 && value < bound).toBe(true);
      }),
    );
  });

  test('reaches every value about as often', () => {
    const counts = new Map<number, number>();
    for (let i = 0; i < 12_000; i++) {
      const value = below(systemRandom, 6);
      counts.set(value, (counts.get(value) ?? 0) + 1);
    }
    expect([...counts.keys()].sort((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 5]);
    // Seven standard deviations of a binomial with 12,000 draws and p = 1/6.
    for (const count of counts.values()) expect(Math.abs(count - 2000)).toBeLessThan(7 * 41);
  });

  test('draws again rather than favour small values', () => {
    const draws = [255, 0];
    let drawn = 0;
    const random: Random = { bytes: (length) => new Uint8Array(length).fill(draws[drawn++] ?? 0) };
    expect(below(random, 3 * 2 ** 50)).toBe(0);
    expect(drawn).toBe(2);
  });

  test.each([0, -1, 1.5, Number.NaN, 2 ** 53 + 2])('refuses a bound of %d', (bound) => {
    expect(() => below(systemRandom, bound)).toThrow(RangeError);
  });
});

describe('shuffled', () => {
  test('reaches every order about as often, and leaves what it was given', () => {
    const given = ['a', 'b', 'c'];
    const counts = new Map<string, number>();
    for (let i = 0; i < 12_000; i++) {
      const order = shuffled(given, systemRandom).join('');
      counts.set(order, (counts.get(order) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(['abc', 'acb', 'bac', 'bca', 'cab', 'cba']);
    for (const count of counts.values()) expect(Math.abs(count - 2000)).toBeLessThan(7 * 41);
    expect(given).toEqual(['a', 'b', 'c']);
  });
});

describe('exponential', () => {
  test('is never negative nor infinite', () => {
    expect(exponential(only(0), 200)).toBe(0);
    expect(exponential(only(255), 200)).toBeLessThan(200 * 40);
  });

  test('has its mean, and 1/e of it lies above', () => {
    const draws = Array.from({ length: 20_000 }, () => exponential(systemRandom, 200));
    expect(Math.abs(mean(draws.length, (i) => draws[i] ?? 0) - 200)).toBeLessThan(10);
    expect(draws.filter((draw) => draw > 200).length / draws.length).toBeCloseTo(1 / Math.E, 1);
  });
});

function mean(count: number, draw: (i: number) => number): number {
  return Array.from({ length: count }, (_, i) => draw(i)).reduce((sum, value) => sum + value, 0) / count;
}
