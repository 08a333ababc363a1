import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rateLimit } from './rate-limit.ts';
import { rateLimits } from './register/limits.ts';

describe('rateLimit', () => {
  test('lets a burst through, then one each interval', () => {
    const limit = rateLimit(3, 100);
    const at = (now: number): boolean => limit.take('a', now);
    expect([at(0), at(0), at(0), at(0)]).toEqual([true, true, true, false]);
    expect([at(99), at(100), at(100)]).toEqual([false, true, false]);
    expect([at(10_000), at(10_000), at(10_000), at(10_000)]).toEqual([true, true, true, false]);
  });

  test('counts keys apart', () => {
    const limit = rateLimit(1, 100);
    expect([limit.take('a', 0), limit.take('b', 0), limit.take('a', 0)]).toEqual([true, true, false]);
  });

  test('starts anew when the clock is set back', () => {
    const limit = rateLimit(2, 100);
    expect([limit.take('a', 10_000), limit.take('a', 10_000), limit.take('a', 10_000)]).toEqual([
      true,
      true,
      false,
    ]);
    expect([limit.take('a', 0), limit.take('a', 0), limit.take('a', 0)]).toEqual([true, true, false]);
  });

  test('never lets more through than burst and time allow', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(50), { maxLength: 100 }), (steps) => {
        const limit = rateLimit(5, 20);
        let now = 0;
        let passed = 0;
        for (const step of steps) {
          now += step;
          if (limit.take('a', now)) passed++;
        }
        expect(passed).toBeLessThanOrEqual(5 + now / 20);
      }),
    );
  });
});

test('a node may register anew twice in every epoch, however short', () => {
  const { known } = rateLimits(1);
  const passed = Array.from({ length: 1_000 }, (_, half) => known.take('a', half * 500));
  expect(passed).not.toContain(false);
});
