import { expect, test } from 'vitest';
import { createRate } from './rate.ts';

const limits = { carriagesPerHour: 10, bytesPerHour: 1_000 };

test('an hour’s amount at once, of carriages and of bytes, then as much as time has passed', () => {
  let now = 0;
  const rate = createRate(limits, { now: () => now });
  const taken = (bytes: number): number => {
    let count = 0;
    while (rate.take('a', bytes)) count += 1;
    return count;
  };
  expect(taken(1)).toBe(10);
  now += 360_000;
  expect(taken(1)).toBe(1);
  now += 10 * 3_600_000;
  expect(taken(500)).toBe(2);
  now += 1_800_000;
  expect(taken(500)).toBe(1);
});

test('what is too much counts for nothing', () => {
  const rate = createRate(limits, { now: () => 0 });
  expect(rate.take('a', 1_001)).toBe(false);
  expect(rate.take('a', 1_000)).toBe(true);
});

test('a clock that goes back gives nothing away', () => {
  let now = 3_600_000;
  const rate = createRate(limits, { now: () => now });
  expect(rate.take('a', 1_000)).toBe(true);
  now = 0;
  expect(rate.take('a', 1)).toBe(false);
});

test('so many authors are remembered, those longest unseen are not', () => {
  const rate = createRate(limits, { now: () => 0 }, 2);
  for (const author of ['a', 'b', 'a', 'c']) rate.take(author, 500);
  expect(['a', 'b'].map((author) => rate.take(author, 600))).toEqual([false, true]);
});
