import { expect, test } from 'vitest';
import { createLanes, type Lane, type LanesOptions } from '../src/forward/lanes.ts';
import { fakeClock, seeded } from './support.ts';

const start = Date.UTC(2033, 0, 1);
const lanes = (options: Partial<LanesOptions> = {}) => {
  const clock = fakeClock(start);
  const common = { clock, random: seeded('lanes'), width: 1, each: 10 };
  return { clock, laneTo: createLanes({ ...common, ...options }) };
};

/** Takes a place in the lane that `done` gives back. */
const occupy = (lane: Lane): { done(): Promise<void> } => {
  const work = Promise.withResolvers<void>();
  const running = lane.run(() => work.promise);
  return {
    done() {
      work.resolve();
      return running;
    },
  };
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

test('of all lanes so many wait in line, and who finds a connection needs no place there', async () => {
  const { laneTo } = lanes({ each: 3, all: { connections: 9, line: 3 } });
  const [slow, other, idle] = [laneTo('slow.test'), laneTo('other.test'), laneTo('idle.test')];
  const first = occupy(slow);
  const waiting = [slow, slow].map(occupy);
  expect(slow.crowded).toBe(true); // by itself
  const others = [other, other].map(occupy);
  expect(other.crowded).toBe(true); // with all others
  expect(idle.crowded).toBe(false);
  occupy(idle);
  expect(idle.crowded).toBe(true);
  await first.done();
  expect([slow, other, idle].map(({ crowded }) => crowded)).toEqual([false, false, false]);
  await Promise.all([...waiting, ...others].map((one) => one.done()));
});

test('once a quarter of all connections is in use, or after a failure, a peer gets no second one', async () => {
  const { clock, laneTo } = lanes({ width: 2, all: { connections: 16, line: 3 } });
  const connect = (name: string): boolean => {
    const lane = laneTo(name);
    if (lane.crowded) return false;
    occupy(lane);
    return true;
  };
  const names = Array.from({ length: 20 }, (_, at) => `${at}.test`);
  expect(names.map((name) => [connect(name), connect(name)])).toEqual([
    [true, true],
    [true, true],
    ...Array.from({ length: 12 }, () => [true, false]),
    ...Array.from({ length: 6 }, () => [false, false]),
  ]);

  const { laneTo: idle } = lanes({ width: 2 });
  const lane = idle('b.test');
  lane.fails();
  await clock.advance(1_000);
  const probe = occupy(lane);
  expect(lane.crowded).toBe(true);
  lane.works();
  expect(lane.crowded).toBe(false);
  await probe.done();
});

test('of all lanes so many have a connection, whatever number of peers there are', async () => {
  const { laneTo } = lanes({ all: { connections: 2, line: 3 } });
  const under = [laneTo('a.test'), laneTo('b.test')].map(occupy);
  expect(laneTo('c.test').crowded).toBe(true);
  const next = occupy(laneTo('a.test'));
  await under[0]?.done();
  expect(laneTo('c.test').crowded).toBe(true); // the one in line has it now
  await next.done();
  expect(laneTo('c.test').crowded).toBe(false);
  await under[1]?.done();
});

test('those that cannot wait here come back one after the other, at twice the pace at which others leave, and within five minutes', async () => {
  const { clock, laneTo } = lanes();
  const lane = laneTo('b.test');
  const line = Array.from({ length: 200 }, () => occupy(lane));
  for (const one of line) {
    await one.done();
    await clock.advance(100);
  }
  const from = clock.now();
  const soon = Array.from({ length: 100 }, () => lane.comeBack(from) - from);
  for (const [at, ms] of soon.entries()) {
    expect(ms).toBeGreaterThan((at + 1) * 20);
    expect(ms).toBeLessThanOrEqual((at + 1) * 50);
  }
  const late = Array.from({ length: 10_000 }, () => lane.comeBack(from) - from);
  expect(Math.max(...late)).toBeLessThanOrEqual(300_000);
  expect(Math.max(...late)).toBeGreaterThan(250_000);
  await clock.advance(1_000_000);
  // Nobody waits for those that came back long ago; who is told of a rest comes back after it.
  expect(lane.comeBack(clock.now()) - clock.now()).toBeLessThanOrEqual(50);
  const rested = clock.now() + 60_000;
  expect(lane.comeBack(rested)).toBeGreaterThan(rested);
  expect(lane.comeBack(rested)).toBeLessThanOrEqual(rested + 100);
});
