import { setImmediate } from 'node:timers/promises';
import type { Log } from '@postern/runtime';
import type { Answer, Resolver } from '@postern/runtime/dns';
import { expect, test } from 'vitest';
import { watchProof } from '../src/proof.ts';
import { fakeClock } from './support.ts';

const none = (secure: boolean): Answer => ({ kind: 'none', secure, ttlSeconds: 60 });

test('what the resolver is worth is known, watched, and said once each time that it changes for the worse', async () => {
  const clock = fakeClock(Date.UTC(2033, 0, 2));
  let answer: Answer = none(false);
  const resolver = { resolve: async () => answer } as Resolver;
  const said: string[] = [];
  const write = (message: string): void => void said.push(message);
  const log: Log = { debug: write, info: write, warn: write, error: write };
  const watch = watchProof({ clock, log, resolver });
  const later = async (ms: number): Promise<void> => {
    await clock.advance(ms);
    await setImmediate();
  };
  expect(watch.current()).toBe('unknown');
  await later(0);
  expect(watch.current()).toBe('unproven');
  await later(180_000);
  expect(said).toEqual([expect.stringContaining('does not validate DNSSEC')]);
  answer = none(true);
  await later(60_000);
  expect(watch.current()).toBe('proven');
  answer = { kind: 'failed', reason: 'timeout' };
  await later(3_600_000);
  expect(watch.current()).toBe('unanswered');
  expect(said).toHaveLength(3);
  await watch.stop();
});
