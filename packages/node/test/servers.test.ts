import type { SendResult } from '@postern/mail';
import { expect, test } from 'vitest';
import { createServers } from '../src/forward/servers.ts';
import { fakeClock, seeded } from './support.ts';

/** Many domains may name one mail server that is not theirs. */
const setUp = () => {
  const clock = fakeClock(Date.UTC(2033, 0, 1));
  return { clock, servers: createServers({ clock, random: seeded('servers') }) };
};
const failed = { kind: 'deferred', reason: 'timeout', maybeDelivered: false } as const;
const sent: SendResult = { kind: 'sent', secured: true };

test('one address has few connections, whatever domains they are for, and others have theirs', async () => {
  const { servers } = setUp();
  const answer = Promise.withResolvers<SendResult>();
  const under = Array.from({ length: 16 }, () => servers.run('1.1.1.1', () => answer.promise));
  expect(await servers.run('1.1.1.1', async () => sent)).toBeUndefined();
  expect(await servers.run('1.1.1.2', async () => sent)).toEqual(sent);
  answer.resolve(sent);
  await Promise.all(under);
  expect(await servers.run('1.1.1.1', async () => sent)).toEqual(sent);
});

test('one that fails again after its rest is left alone for longer', async () => {
  const { clock, servers } = setUp();
  const times: number[] = [];
  for (let n = 0; n < 2_000 && times.length < 5; n++) {
    if ((await servers.run('1.1.1.1', async () => failed)) !== undefined) times.push(clock.now());
    await clock.advance(50);
  }
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(gaps.every((ms, at) => ms >= 500 * 2 ** at)).toBe(true);
  expect(gaps).toHaveLength(4);
});

test('one that rests when the clock is set back is left alone no longer than a rest may last', async () => {
  const { clock, servers } = setUp();
  await servers.run('1.1.1.1', async () => failed);
  expect(servers.restUntil(['1.1.1.1'])).toBeGreaterThan(clock.now());
  clock.set(clock.now() - 86_400_000);
  expect(servers.restUntil(['1.1.1.1'])).toBeLessThanOrEqual(clock.now());
  expect(await servers.run('1.1.1.1', async () => failed)).toEqual(failed);
  expect(servers.restUntil(['1.1.1.1'])).toBeGreaterThan(clock.now());
  expect(servers.restUntil(['1.1.1.1'])).toBeLessThanOrEqual(clock.now() + 900_000);
});

test('of several addresses the first that is worth trying counts', async () => {
  const { clock, servers } = setUp();
  await servers.run('1.1.1.1', async () => failed);
  expect(servers.restUntil(['1.1.1.1'])).toBeGreaterThan(clock.now());
  expect(servers.restUntil(['1.1.1.1', '1.1.1.2'])).toBeLessThanOrEqual(clock.now());
  const first = servers.restUntil(['1.1.1.1']);
  await clock.advance(100);
  await servers.run('1.1.1.2', async () => failed);
  expect(servers.restUntil(['1.1.1.2', '1.1.1.1'])).toBe(Math.min(first, servers.restUntil(['1.1.1.2'])));
});

test('that no connection to it was free says nothing of one that rests, or does not', async () => {
  const { servers } = setUp();
  const crowded = { kind: 'deferred', reason: 'crowded', maybeDelivered: false } as const;
  const waiting = Promise.withResolvers<SendResult>();
  const under = servers.run('1.1.1.1', () => waiting.promise);
  await servers.run('1.1.1.1', async () => failed);
  waiting.resolve(crowded);
  expect(await under).toEqual(crowded);
  expect(await servers.run('1.1.1.1', async () => sent)).toBeUndefined();
  await servers.run('1.1.1.2', async () => crowded);
  expect(await servers.run('1.1.1.2', async () => sent)).toEqual(sent);
});

test.each<SendResult>([
  { kind: 'untrusted' },
  { kind: 'no-tls' },
  { kind: 'refused', code: 550, enhanced: '5.7.1' },
  { kind: 'deferred', reason: 'busy', maybeDelivered: false },
  // The node ends.
  { kind: 'deferred', reason: 'aborted', maybeDelivered: false },
])('what one says of a domain keeps no other domain from it: %o', async (result) => {
  const { servers } = setUp();
  expect(await servers.run('1.1.1.1', async () => result)).toEqual(result);
  expect(await servers.run('1.1.1.1', async () => sent)).toEqual(sent);
});
