import { expect, test } from 'vitest';
import { showTime } from './time.ts';

test('whatever stands for a time can be shown', () => {
  expect(showTime(0)).toBe('1970-01-01T00:00:00.000Z');
  expect(showTime(8_640_000_000_000)).toBe('+275760-09-13T00:00:00.000Z');
  expect(showTime(8_640_000_000_001)).toBe('second 8640000000001');
});
