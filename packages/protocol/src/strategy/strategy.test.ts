import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Random } from '../primitives/index.ts';
import { seeded } from '../testing/seeded.ts';
import { exponential, holdUntilDue, longestMeanMs, none } from './index.ts';

describe('delays', () => {
  test('exponential delays have their distribution (Kolmogorov–Smirnov, fixed seed)', () => {
    const mean = 100_000;
    const drawn = exponential(mean)
      .delays(5_000, seeded('exponential'))
      .sort((a, b) => a - b);
    const distance = Math.max(
      ...drawn.map((delay, rank) => Math.abs(1 - Math.exp(-delay / mean) - (rank + 0.5) / drawn.length)),
    );
    expect(distance).toBeLessThan(1.95 / Math.sqrt(drawn.length));
  });

  test('are whole milliseconds that fit 32 bits, even from the rarest draw', () => {
    const rarest: Random = { bytes: (length) => new Uint8Array(length).fill(255) };
    const least: Random = { bytes: (length) => new Uint8Array(length) };
    for (const random of [rarest, least, seeded('any')]) {
      for (const delay of exponential(longestMeanMs).delays(3, random)) {
        expect(Number.isInteger(delay) && delay >= 0 && delay < 2 ** 32).toBe(true);
      }
    }
  });

  test('a mean that is no mean is refused', () => {
    for (const mean of [0, -1, Number.NaN, longestMeanMs + 1])
      expect(() => exponential(mean)).toThrow(RangeError);
  });

  test('none delays nothing', () => {
    expect(none().delays(3, seeded('none'))).toEqual([0, 0, 0]);
  });
});

describe('hold until due', () => {
  const strategy = holdUntilDue<number>();
  const arrivals = fc.array(fc.record({ gap: fc.nat(50), delayMs: fc.nat(200) }), { maxLength: 60 });

  test('each packet leaves once, at the first step at or after its due time', () => {
    fc.assert(
      fc.property(arrivals, (given) => {
        const random = seeded('hold');
        const due = new Map<number, number>();
        const left = new Map<number, number>();
        let state = strategy.initial;
        let wakeAt: number | undefined;
        let now = 0;
        const step = (event: Parameters<typeof strategy.step>[1]): void => {
          const next = strategy.step(state, event, now, random);
          for (const packet of next.release) {
            expect(left.has(packet)).toBe(false);
            left.set(packet, now);
          }
          ({ state, wakeAt } = next);
        };
        const tickUntil = (until: number): void => {
          while (wakeAt !== undefined && wakeAt <= until) {
            now = wakeAt;
            step({ kind: 'tick' });
          }
        };
        let at = 0;
        for (const [packet, { gap, delayMs }] of given.entries()) {
          at += gap;
          tickUntil(at);
          now = at;
          due.set(packet, at + delayMs);
          step({ kind: 'arrival', packet, delayMs });
        }
        tickUntil(Number.POSITIVE_INFINITY);
        expect(left).toEqual(due);
        expect(state).toBeUndefined();
      }),
    );
  });

  test('a state is never changed by a step', () => {
    const random = seeded('pure');
    const arrived = strategy.step(strategy.initial, { kind: 'arrival', packet: 1, delayMs: 10 }, 0, random);
    expect(arrived).toMatchObject({ release: [], wakeAt: 10 });
    for (let round = 0; round < 2; round++) {
      const ticked = strategy.step(arrived.state, { kind: 'tick' }, 10, random);
      expect(ticked).toEqual({ state: undefined, release: [1], wakeAt: undefined });
    }
  });

  test('a batch leaves in an order that says nothing about arrival (chi-square, fixed seed)', () => {
    const random = seeded('order');
    const seen = new Map<string, number>();
    const rounds = 6_000;
    for (let round = 0; round < rounds; round++) {
      let state = strategy.initial;
      for (const packet of [1, 2, 3]) {
        ({ state } = strategy.step(state, { kind: 'arrival', packet, delayMs: 5 }, 0, random));
      }
      const order = String(strategy.step(state, { kind: 'tick' }, 5, random).release);
      seen.set(order, (seen.get(order) ?? 0) + 1);
    }
    const expected = rounds / 6;
    const chiSquare = [...seen.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(seen.size).toBe(6);
    expect(chiSquare).toBeLessThan(20.52); // 99.9 % for 5 degrees of freedom
  });

  test('a hundred thousand waiting packets leave in one step', () => {
    const random = seeded('many');
    const count = 100_000;
    let state = strategy.initial;
    for (let packet = 0; packet < count; packet++) {
      ({ state } = strategy.step(state, { kind: 'arrival', packet, delayMs: 1 + (packet % 977) }, 0, random));
    }
    const { release, wakeAt } = strategy.step(state, { kind: 'tick' }, 1_000, random);
    expect(new Set(release).size).toBe(count);
    expect(wakeAt).toBeUndefined();
  });
});
