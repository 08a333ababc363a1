import { expect, test } from 'vitest';
import { createAdmit, type SenderPolicy } from './senders.ts';

const clock = { at: 0, now: () => clock.at };
const policy = (of: Partial<SenderPolicy> = {}) =>
  createAdmit(
    { accept: undefined, deny: [], limits: { carriagesPerHour: 3, bytesPerHour: 1_000 }, ...of },
    clock,
  );

test('every domain is taken from, unless it is denied, or all that is below it', () => {
  const admit = policy({ deny: ['evil.test'] });
  expect(['a.test', 'evil.test', 'x.evil.test', 'notevil.test'].map((name) => admit(name, 1))).toEqual([
    'admitted',
    'denied',
    'denied',
    'admitted',
  ]);
});

test('with a list of those that are taken from, no other is; denied stays denied', () => {
  const admit = policy({ accept: ['a.test'], deny: ['bad.a.test'] });
  expect(['a.test', 'x.a.test', 'bad.a.test', 'b.test'].map((name) => admit(name, 1))).toEqual([
    'admitted',
    'admitted',
    'denied',
    'denied',
  ]);
});

test('a domain that sends too much is limited, and no other with it', () => {
  const admit = policy();
  expect([1, 2, 3, 4].map(() => admit('a.test', 10))).toEqual([
    'admitted',
    'admitted',
    'admitted',
    'limited',
  ]);
  expect(admit('b.test', 10)).toBe('admitted');
  expect(admit('c.test', 1_001)).toBe('limited');
  clock.at += 3_600_000;
  expect(admit('a.test', 10)).toBe('admitted');
});
