import { expect, test } from 'vitest';
import { Failures, Pending, Recent } from './failures.ts';

test('failures count until none has come for a while', () => {
  let now = 0;
  const failures = new Failures({ windowMs: 10, maxEntries: 2, now: () => now });
  failures.add('a');
  now = 9;
  failures.add('a');
  now = 18;
  expect(failures.count('a')).toBe(2);
  now = 19;
  expect(failures.count('a')).toBe(0);
  expect(failures.size).toBe(0);
});

test('failures of more keys than are remembered: the one longest ago is forgotten', () => {
  const failures = new Failures({ windowMs: 10, maxEntries: 2, now: () => 0 });
  for (const key of ['a', 'b', 'a', 'c']) failures.add(key);
  expect(['a', 'b', 'c'].map((key) => failures.count(key))).toEqual([2, 0, 1]);
  for (let n = 0; n < 1000; n += 1) failures.add(`key ${n}`);
  expect(failures.size).toBe(2);
});

test('what is pending counts until it leaves', () => {
  const pending = new Pending();
  pending.enter('a');
  pending.enter('a');
  pending.leave('a');
  expect(pending.count('a')).toBe(1);
  pending.leave('a');
  expect(pending.count('a')).toBe(0);
});

test('the last keys are known', () => {
  const recent = new Recent(2);
  for (const key of ['a', 'b', 'a', 'c']) recent.add(key);
  expect(['a', 'b', 'c'].map((key) => recent.has(key))).toEqual([true, false, true]);
});
