import { expect, test } from 'vitest';
import { createLoad } from '../src/load.ts';
import { fakeClock } from './support.ts';

const hour = 3_600_000;

test('a load is told of an epoch that was run from its start to its end, and of no other', async () => {
  const clock = fakeClock(1_000 * hour + 60_000);
  const load = createLoad(clock, 3_600);
  const count = (packets: number): void => {
    for (let at = 0; at < packets; at++) load.count();
  };
  count(5_000);
  expect(load.told()).toBe(0);
  await clock.advance(hour);
  expect(load.told()).toBe(0); // it began in the midst of that one
  count(1_000);
  await clock.advance(hour);
  count(3);
  expect(load.told()).toBe(11);
  await clock.advance(hour);
  expect(load.told()).toBe(3);
  await clock.advance(hour);
  expect(load.told()).toBe(1);
  count(2);
  await clock.advance(3 * hour);
  expect(load.told()).toBe(1);
});

test('of a mix that is several processes none tells it', async () => {
  const clock = fakeClock(1_000 * hour);
  const load = createLoad(clock, 3_600, false);
  await clock.advance(hour);
  load.count();
  await clock.advance(hour);
  expect(load.told()).toBe(0);
});

test('a clock that was set back, or leapt, makes up no load', async () => {
  let now = 1_000 * hour;
  const load = createLoad({ ...fakeClock(0), now: () => now }, 3_600);
  now += 2 * hour;
  load.count();
  now -= 2 * hour;
  expect(load.told()).toBe(0);
});
