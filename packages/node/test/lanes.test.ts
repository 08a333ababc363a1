import { expect, test } from 'vitest';
import { createLanes } from '../src/forward/lanes.ts';
import { fakeClock, seeded } from './support.ts';

const start = Date.UTC(2033, 0, 1);
const lanes = () => {
  const clock = fakeClock(start);
  return { clock, laneTo: createLanes({ clock, random: seeded('lanes'), width: 1 }) };
};

test('a peer that fails again after its rest is left alone for longer', async () => {
  const { clock, laneTo } = lanes();
  const rests: number[] = [];
  for (let n = 0; n < 5; n++) {
    const lane = laneTo('b.test');
    lane.fails();
    rests.push(lane.restUntil - clock.now());
    await clock.advance(lane.restUntil - clock.now());
  }
  expect(rests.every((ms, at) => ms >= 250 * 2 ** at)).toBe(true);
});

test('one that nobody has tried for minutes past its rest is forgotten, one with work in line is not', async () => {
  const { clock, laneTo } = lanes();
  const failed = laneTo('b.test');
  failed.fails();
  const busy = laneTo('c.test');
  const work = Promise.withResolvers<void>();
  const running = busy.run(() => work.promise);
  await clock.advance(failed.restUntil - clock.now() + 119_999);
  expect(laneTo('b.test')).toBe(failed);
  await clock.advance(1);
  laneTo('d.test');
  expect(laneTo('b.test')).not.toBe(failed);
  expect(laneTo('c.test')).toBe(busy);
  work.resolve();
  await running;
  laneTo('d.test');
  expect(laneTo('c.test')).not.toBe(busy);
});
