import { expect, test } from 'vitest';
import { TestkitError } from '../errors.ts';
import { planTestnet, type TestnetOptions } from './options.ts';

test('what is not said has a value', () => {
  expect(planTestnet({ dir: '/tmp/net' })).toEqual({
    dir: '/tmp/net',
    mixes: 6,
    authorities: 1,
    domains: ['a.test', 'b.test'],
    meanDelay: '200ms',
    epoch: '1h',
    restart: false,
    taps: false,
    keepTraffic: true,
  });
});

test.each<[Omit<TestnetOptions, 'dir'> & { dir?: string }, RegExp, RegExp]>([
  [{ authorities: 10 }, /10 authorities do not start/, /1 to 9 --authorities/],
  [{ authorities: 0 }, /0 authorities do not start/, /1 to 9 --authorities/],
  [{ mixes: 2 }, /2 mixes make no path/, /3 to 100/],
  [{ mixes: 3.5 }, /3.5 mixes/, /3 to 100/],
  [{ domains: [] }, /domains are none/, /--domains/],
  [{ domains: ['a.test', 'a.test'] }, /stands there twice/, /--domains/],
  [{ domains: ['A.test'] }, /A.test is no domain name/, /lower case/],
  [{ meanDelay: '200' }, /--mean-delay 200 is no duration/, /200ms/],
  [{ epoch: 'long' }, /--epoch long is no duration/, /1h/],
  [{ dir: `/tmp/${'long'.repeat(25)}` }, /too long a path/, /shorter/],
])('%j is refused, with what to do', (options, message, hint) => {
  const plan = () => planTestnet({ dir: '/tmp/net', ...options });
  expect(plan).toThrow(TestkitError);
  expect(plan).toThrow(message);
  expect(plan).toThrow(expect.objectContaining({ code: 'wrong-use', hint: expect.stringMatching(hint) }));
});
