import { silentLog } from '@postern/runtime';
import { expect, test } from 'vitest';
import { createBell } from '../src/bell.ts';
import { startPuller } from '../src/puller.ts';
import { fakeClock } from './support.ts';

test('a node that stops takes nothing off the shelf that it would only give back', async () => {
  const bell = createBell();
  const stopping = new AbortController();
  let claims = 0;
  let released = 0;
  const puller = startPuller({
    clock: fakeClock(0),
    log: silentLog,
    trouble: 'none',
    shelf: {
      claim: async () => {
        claims += 1;
        await new Promise(setImmediate);
        return [{ id: `${claims}` }];
      },
      nextDue: async () => 0,
      wake: bell.wait,
    },
    most: 10,
    stopping: stopping.signal,
    // What is given back is due at once, and whoever waits is woken.
    work: async () => {
      released += 1;
      bell.ring();
    },
  });
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn++) await new Promise(setImmediate);
  };
  await turns(20);
  expect(claims).toBeGreaterThan(5);
  stopping.abort();
  await turns(5);
  const [before, given] = [claims, released];
  await turns(50);
  expect([claims, released]).toEqual([before, given]);
  await puller.close();
});
