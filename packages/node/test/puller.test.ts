import { silentLog } from '@postern/runtime';
import { expect, test } from 'vitest';
import { createBell } from '../src/bell.ts';
import { type Puller, startPuller } from '../src/puller.ts';
import { claimLeaseMs } from '../src/spool.ts';
import { type FakeClock, fakeClock, until } from './support.ts';

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
      release: async () => undefined,
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

/** One whose shelf is empty; what it gives back, and what fails of what it is offered. */
function startIdle(
  clock: FakeClock,
  most: number,
  fails: (id: string) => boolean,
): { readonly puller: Puller<{ readonly id: string }>; readonly released: readonly string[] } {
  const released: string[] = [];
  const puller = startPuller<{ readonly id: string }>({
    clock,
    log: silentLog,
    trouble: 'none',
    shelf: {
      claim: async () => [],
      release: async (ids) => void released.push(...ids),
      nextDue: async () => undefined,
      wake: createBell().wait,
    },
    most,
    stopping: new AbortController().signal,
    work: async ({ id }) => {
      if (fails(id)) throw new Error(id);
    },
  });
  return { puller, released };
}

test('what could not be worked on is given back', async () => {
  const { puller, released } = startIdle(fakeClock(0), 2, (id) => id === 'fails');
  puller.offer({ id: 'works' });
  puller.offer({ id: 'fails' });
  await puller.close();
  expect(released).toEqual(['fails']);
});

test('what fails again soon is left to the end of its claim, and anew after that', async () => {
  const clock = fakeClock(0);
  const { puller, released } = startIdle(clock, 1, () => true);
  const fail = async (id: string): Promise<void> => {
    await until(() => puller.offer({ id }));
    await until(() => puller.offer({ id: `after ${id}` }));
  };
  for (let time = 0; time < 3; time++) await fail('always');
  await fail('once');
  expect(released.filter((id) => id === 'always')).toHaveLength(1);
  await clock.advance(claimLeaseMs);
  await fail('always');
  await puller.close();
  expect(released.filter((id) => id === 'always')).toHaveLength(2);
});

test('what failed longest ago is forgotten first, and all of it once the clock is set back further than a claim lasts', async () => {
  const clock = fakeClock(10 * claimLeaseMs);
  const { puller, released } = startIdle(clock, 1, () => true);
  const fail = async (id: string): Promise<void> => {
    await until(() => puller.offer({ id }));
    await until(() => puller.offer({ id: 'after' }));
  };
  await fail('first');
  await clock.advance(claimLeaseMs / 2);
  await fail('second');
  await clock.advance(claimLeaseMs / 2);
  for (const id of ['first', 'second']) await fail(id);
  expect(released).toEqual(['first', 'after', 'second', 'first', 'after']);
  clock.set(clock.now() - 5 * claimLeaseMs);
  for (const id of ['first', 'second']) await fail(id);
  expect(released.slice(5)).toEqual(['first', 'after', 'second']);
  await puller.close();
});
