import { expect, test } from 'vitest';
import { createLanes, type Lane, type LanesOptions } from '../src/forward/lanes.ts';
import { type FakeClock, fakeClock, seeded } from './support.ts';

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

test('those that cannot wait here come back one after the other, at two to three times the pace at which others leave, and within five minutes', async () => {
  const { clock, laneTo } = lanes();
  const lane = laneTo('b.test');
  const line = Array.from({ length: 200 }, () => occupy(lane));
  for (const one of line) {
    lane.works();
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

/** Has `count` relays wait on disk for a peer that takes each in `takesMs`; says how many left and how often one was put back. */
async function drain(
  { clock, laneTo }: { clock: FakeClock; laneTo: (key: string) => Lane },
  { count, takesMs, seconds }: { count: number; takesMs: number; seconds: number },
): Promise<{ left: number; putBack: number }> {
  const stepMs = 10;
  let due = Array.from({ length: count }, () => clock.now());
  let under: { readonly done: () => Promise<void>; readonly atMs: number }[] = [];
  let [left, putBack] = [0, 0];
  for (const endMs = clock.now() + seconds * 1_000; clock.now() < endMs; await clock.advance(stepMs)) {
    const now = clock.now();
    const lane = laneTo('b.test');
    for (const { done } of under.filter(({ atMs }) => atMs <= now)) {
      lane.works();
      await done();
      left++;
    }
    under = under.filter(({ atMs }) => atMs > now);
    due = due.flatMap((dueMs) => {
      if (dueMs > now) return [dueMs];
      if (lane.crowded || lane.restUntil > now) {
        putBack++;
        return [lane.comeBack(Math.max(now, lane.restUntil))];
      }
      under.push({ ...occupy(lane), atMs: now + takesMs });
      return [];
    });
  }
  return { left, putBack };
}

test('while each peer gets one connection alone, what waits for it on disk is put back a few times for each that leaves', async () => {
  const { clock, laneTo } = lanes({ width: 4, all: { connections: 8, line: 100 } });
  occupy(laneTo('a.test'));
  occupy(laneTo('c.test'));
  const { left, putBack } = await drain({ clock, laneTo }, { count: 1_000, takesMs: 100, seconds: 60 });
  expect(left).toBeGreaterThan(400);
  expect(putBack).toBeLessThan(1_000 + 10 * left);
});

test('what gets no connection at all is asked ever less often', async () => {
  const { clock, laneTo } = lanes({ width: 4, all: { connections: 2, line: 100 } });
  occupy(laneTo('a.test'));
  occupy(laneTo('c.test'));
  const of = { clock, laneTo };
  await drain(of, { count: 1_000, takesMs: 100, seconds: 60 });
  const { left, putBack } = await drain(of, { count: 1_000, takesMs: 100, seconds: 60 });
  expect(left).toBe(0);
  expect(putBack).toBeLessThanOrEqual(3 * 1_000); // at once, and then no sooner than after half a minute
});

test('a failure, whose line goes back to disk at once, says nothing of the pace', async () => {
  const { clock, laneTo } = lanes({ each: 1_000 });
  const lane = laneTo('b.test');
  const line = Array.from({ length: 500 }, () => occupy(lane));
  for (const one of line.splice(0, 200)) {
    lane.works();
    await one.done();
    await clock.advance(100);
  }
  lane.fails();
  for (const one of line) await one.done();
  const soon = Array.from({ length: 100 }, () => lane.comeBack(lane.restUntil) - lane.restUntil);
  expect(soon.at(-1)).toBeGreaterThan(100 * 20);
});

test('one that comes back when nobody has left is told to wait for as long again, but for a minute at most', async () => {
  const { clock, laneTo } = lanes();
  const lane = laneTo('b.test');
  const waits: number[] = [];
  for (let n = 0; n < 12; n++) {
    const until = lane.comeBack(clock.now());
    waits.push(until - clock.now());
    await clock.advance(waits.length < 6 ? 2_000 : 50_000);
  }
  expect(waits[0]).toBeLessThanOrEqual(2);
  for (let n = 1; n < 6; n++) expect(waits[n]).toBeGreaterThanOrEqual(n * 1_000);
  expect(Math.min(...waits.slice(8))).toBeGreaterThanOrEqual(30_000);
  expect(Math.max(...waits)).toBeLessThanOrEqual(60_000);
});

test('after a failure, and in a rest, that nobody left before says nothing', async () => {
  const { clock, laneTo } = lanes();
  const lane = laneTo('b.test');
  lane.comeBack(clock.now());
  await clock.advance(50_000);
  for (let n = 0; n < 6; n++) {
    await clock.advance(Math.max(0, lane.restUntil - clock.now()));
    lane.fails();
    expect(lane.comeBack(lane.restUntil) - lane.restUntil).toBeLessThanOrEqual(10);
  }
  expect(lane.restUntil - clock.now()).toBeGreaterThan(8_000);
  await clock.advance(lane.restUntil - clock.now());
  expect(lane.comeBack(clock.now()) - clock.now()).toBeLessThanOrEqual(10);
});

test('a peer is as quick as it takes relays, however rarely one comes', async () => {
  const { clock, laneTo } = lanes();
  const lane = laneTo('b.test');
  for (let n = 0; n < 100_000; n++) lane.comeBack(clock.now());
  for (let n = 0; n < 50; n++) {
    const one = occupy(lane);
    await clock.advance(10);
    lane.works();
    await one.done();
    await clock.advance(1_000);
  }
  const from = clock.now() + 1_000_000;
  const soon = Array.from({ length: 100 }, () => lane.comeBack(from) - from);
  expect(soon.at(-1)).toBeGreaterThan(100 * 2);
  expect(soon.at(-1)).toBeLessThanOrEqual(100 * 6);
});

test('many that leave at once do not make a peer so quick that it is never slow again', async () => {
  const { clock, laneTo } = lanes();
  const lane = laneTo('b.test');
  const line = Array.from({ length: 5_100 }, () => occupy(lane));
  for (const [at, one] of line.entries()) {
    lane.works();
    await one.done();
    if (at >= 5_000) await clock.advance(100);
  }
  const from = clock.now();
  const soon = Array.from({ length: 100 }, () => lane.comeBack(from) - from);
  expect(soon.at(-1)).toBeGreaterThan(100 * 20);
});

test('who waits for nobody shows nothing of how quick a peer is', async () => {
  const { clock, laneTo } = lanes({ width: 4 });
  const lane = laneTo('b.test');
  let before = occupy(lane);
  for (let n = 0; n < 50; n++) {
    const next = occupy(lane);
    await clock.advance(1_000);
    lane.works();
    await before.done();
    before = next;
  }
  expect(lane.comeBack(clock.now()) - clock.now()).toBeLessThanOrEqual(2);
});

test('a clock that jumps ahead, or is set back a little, keeps nobody for long', async () => {
  const { clock, laneTo } = lanes();
  const lane = laneTo('b.test');
  const line = Array.from({ length: 200 }, () => occupy(lane));
  const leave = async (count: number): Promise<void> => {
    for (const one of line.splice(0, count)) {
      lane.works();
      await one.done();
      await clock.advance(10);
    }
  };
  await leave(100);
  await clock.advance(86_400_000);
  await leave(1);
  const from = clock.now();
  expect(lane.comeBack(from) - from).toBeLessThanOrEqual(10);
  await leave(50);
  clock.set(clock.now() - 900);
  await leave(1);
  const back = clock.now() + 10_000;
  const soon = Array.from({ length: 100 }, () => lane.comeBack(back) - back);
  expect(soon.at(-1)).toBeGreaterThan(100 * 2);
});

test('when the clock is set back a peer that rested is tried, and what waits for it begins anew', async () => {
  const { clock, laneTo } = lanes({ width: 4, all: { connections: 2, line: 100 } });
  const failed = laneTo('a.test');
  failed.fails();
  for (let n = 0; n < 10_000; n++) laneTo('b.test').comeBack(clock.now() + 86_400_000);
  clock.set(clock.now() - 86_400_000);
  expect(laneTo('b.test').comeBack(clock.now()) - clock.now()).toBeLessThanOrEqual(2);
  expect(failed.restUntil).toBeLessThanOrEqual(clock.now());
  expect(laneTo('a.test')).not.toBe(failed); // nobody waits for it
  occupy(laneTo('c.test'));
  occupy(laneTo('d.test'));
  const of = { clock, laneTo };
  await drain(of, { count: 1_000, takesMs: 100, seconds: 60 });
  expect((await drain(of, { count: 1_000, takesMs: 100, seconds: 60 })).putBack).toBeLessThanOrEqual(
    3 * 1_000,
  );
});
