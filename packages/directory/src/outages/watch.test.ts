import type { NodeEntry } from '@postern/protocol/consensus';
import { seeded } from '@postern/protocol/testing';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createAlarms } from '../alarms.ts';
import { FakeClock } from '../testing/clock.ts';
import { keepingLog, type Logged } from '../testing/log.ts';
import { roundMsOf, startWatch, type Watch } from './watch.ts';

const hour = 3_600;
const minute = 60_000;

let clock: FakeClock;
let mixes: readonly NodeEntry[];
let dead: Set<string>;
/** When each was tried, in minutes from the start. */
let tried: Map<string, number[]>;
let alarms: ReturnType<typeof createAlarms>;
let lines: Logged[];
let isReadable: boolean;
let watch: Watch;
beforeEach(() => {
  clock = new FakeClock();
  const startMs = clock.now();
  mixes = ['a', 'b', 'c', 'd', 'e'].map((id) => ({ id }) as NodeEntry);
  dead = new Set();
  tried = new Map();
  lines = [];
  isReadable = true;
  const { log } = keepingLog(lines);
  alarms = createAlarms(log);
  watch = startWatch({
    mixes() {
      if (isReadable) return mixes;
      throw new Error('disk I/O error');
    },
    log,
    clock,
    alarms,
    random: seeded('watch'),
    epochSeconds: hour,
    reach: ({ id }) => {
      tried.set(id, [...(tried.get(id) ?? []), (clock.now() - startMs) / minute]);
      return Promise.resolve(!dead.has(id));
    },
  });
});
afterEach(() => watch[Symbol.asyncDispose]());

/** Lets as many minutes pass, each with what happens in it. */
async function pass(minutes: number): Promise<void> {
  const end = clock.now() + minutes * minute;
  while (clock.now() < end) {
    await vi.waitFor(() => expect(clock.next()).toBeLessThan(Number.POSITIVE_INFINITY));
    clock.moveTo(Math.min(end, clock.next()));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('each mix is tried once in five minutes, and not all at once', async () => {
  await pass(5);
  expect(watch.down()).toBeUndefined();
  await pass(14.5);
  for (const times of tried.values()) {
    expect(times).toHaveLength(3);
    expect(times.map((at) => Math.floor(at / 5))).toEqual([1, 2, 3]);
  }
  const first = [...tried.values()].map(([at]) => at).sort((a, b) => Number(a) - Number(b));
  expect(first).toEqual([5, 6, 7, 8, 9]);
});

test('a round in which the consensus cannot be read is left out, and said', async () => {
  isReadable = false;
  await pass(14);
  expect(lines.map(({ event }) => event)).toEqual(['mixes not tried', 'mixes not tried']);
  isReadable = true;
  await pass(6);
  expect(tried.size).toBe(5);
});

test('a mix is down when it was missed twice in a row, and up as soon as it is reached', async () => {
  dead.add('b');
  await pass(10);
  expect(watch.down()).toEqual([]);
  await pass(5);
  expect(watch.down()).toEqual(['b']);
  dead.clear();
  await pass(5);
  expect(watch.down()).toEqual([]);
  dead.add('b');
  await pass(5);
  expect(watch.down()).toEqual([]);
});

test('misses count for whoever stays in the consensus, and are forgotten with who leaves it', async () => {
  dead.add('b').add('c');
  await pass(15);
  expect(watch.down()).toEqual(['b', 'c']);
  const all = mixes;
  mixes = all.filter(({ id }) => id !== 'c');
  expect(watch.down()).toEqual(['b']);
  await pass(5);
  mixes = all;
  expect(watch.down()).toEqual(['b']);
});

describe('whoever misses more than half of all', () => {
  test('says nothing of any, and takes itself for cut off', async () => {
    for (const id of ['a', 'b', 'c']) dead.add(id);
    await pass(15);
    expect(watch.down()).toBeUndefined();
    expect(alarms.standing).toEqual([
      { kind: 'cut-off', about: '', why: expect.stringContaining('3 of 5 mixes cannot be reached') },
    ]);
    dead.delete('a');
    await pass(5);
    expect(watch.down()).toEqual(['b', 'c']);
    expect(alarms.standing).toEqual([]);
  });
});

test('before there is a consensus nothing is said', async () => {
  mixes = [];
  await pass(20);
  expect(watch.down()).toBeUndefined();
});

test('a round is shorter where epochs are, and never shorter than ten seconds', () => {
  expect([86_400, hour, 1_200, 60, 1].map(roundMsOf)).toEqual([300_000, 300_000, 100_000, 10_000, 10_000]);
});
