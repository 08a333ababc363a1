import type { Log, Random } from '@postern/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { NodeError } from '../src/errors.ts';
import { createPool, type Pool } from '../src/pool.ts';
import type { Setup, Task } from './pool-worker.ts';
import { type FakeClock, fakeClock, until } from './support.ts';

/** Draws the shortest pauses. */
const random: Random = { bytes: (length) => new Uint8Array(length) };
const pausesMs = [125, 250, 500, 1_000];
const [firstPauseMs = 0] = pausesMs;
const well: Setup = { name: 'well', deadly: false };
const deadly: Setup = { name: 'deadly', deadly: true };

let clock: FakeClock;
let lines: string[];
let broken: NodeError[];
let pools: Pool<Setup, Task, string>[];
beforeEach(() => {
  clock = fakeClock(0);
  lines = [];
  broken = [];
  pools = [];
});
afterEach(() => Promise.all(pools.map((pool) => pool.close())));

const note = (event: string, fields = {}): void => void lines.push(JSON.stringify([event, fields]));
const log: Log = { debug: note, info: note, warn: note, error: note };

function poolOf(setup: Setup, size = 1): Pool<Setup, Task, string> {
  const module = new URL('./pool-worker.ts', import.meta.url);
  const onBroken = (error: NodeError): void => void broken.push(error);
  const pool = createPool<Setup, Task, string>({
    module,
    size,
    setup,
    clock,
    random,
    log,
    onBroken,
  });
  pools.push(pool);
  return pool;
}

const died = (code: string): string => JSON.stringify(['a worker thread died', { code }]);
const logged = (count: number): Promise<void> => until(() => lines.length === count);
const outcome = (running: Promise<string>): Promise<string> =>
  running.catch((error: NodeError) => error.code);

test('a thread that dies of a task rejects it and all behind it, and another takes its place after a pause', async () => {
  const pool = poolOf(well);
  const tasks: Task[] = ['answer', 'die', 'answer'];
  const asked = tasks.map((task) => outcome(pool.run(task)));
  expect(await Promise.all(asked)).toEqual(['well', 'worker-died', 'worker-died']);
  await logged(1);
  expect(lines).toEqual([died('deadly-task')]);

  await clock.advance(firstPauseMs - 1);
  expect(await outcome(pool.run('answer'))).toBe('worker-died');
  await clock.advance(1);
  expect(await outcome(pool.run('answer'))).toBe('well');
  expect(lines).toHaveLength(1);
});

test('threads that die of their setup come back more and more slowly, and break the pool', async () => {
  const pool = poolOf(deadly);
  for (const [at, pauseMs] of pausesMs.entries()) {
    await logged(at + 1);
    await clock.advance(pauseMs - 1);
    expect(await outcome(pool.run('answer'))).toBe('worker-died');
    expect(broken).toEqual([]);
    await clock.advance(1);
  }
  await until(() => broken.length > 0);
  expect(lines).toEqual(pausesMs.map(() => died('deadly-setup')));
  expect(broken).toMatchObject([
    { code: 'worker-died', exitCode: 1, message: expect.stringContaining('5 times in a row') },
  ]);
  expect(JSON.stringify([lines, broken[0]?.message, broken[0]?.hint])).not.toContain('hidden words');

  await clock.advance(3_600_000);
  expect(await outcome(pool.run('answer'))).toBe('worker-died');
  expect(broken).toHaveLength(1);
});

test('an answer in between means that the pool lives', async () => {
  const pool = poolOf(well);
  for (let death = 1; death <= 12; death++) {
    expect(await outcome(pool.run('answer'))).toBe('well');
    expect(await outcome(pool.run('die'))).toBe('worker-died');
    await logged(death);
    await clock.advance(firstPauseMs);
  }
  expect(broken).toEqual([]);
});

test('a thread that takes the place of a dead one has the last setup', async () => {
  const pool = poolOf(well);
  expect(await outcome(pool.run('die'))).toBe('worker-died');
  await logged(1);
  pool.setUp({ ...well, name: 'better' });
  await clock.advance(firstPauseMs);
  expect(await outcome(pool.run('answer'))).toBe('better');
});

test('one of two dies, and the other goes on', async () => {
  const pool = poolOf(well, 2);
  const dying = outcome(pool.run('die'));
  expect(await outcome(pool.run('answer'))).toBe('well');
  expect(await dying).toBe('worker-died');
  expect(await outcome(pool.run('answer'))).toBe('well');
});

test('closing ends a pause, and what is asked for later is rejected', async () => {
  const pool = poolOf(deadly);
  await logged(1);
  const asked = outcome(pool.run('answer'));
  await pool.close();
  expect(await asked).toBe('worker-died');
  expect(await outcome(pool.run('answer'))).toBe('worker-died');
  expect(lines).toHaveLength(1);
  expect(broken).toEqual([]);
});

test('what is under way when the pool is closed is rejected', async () => {
  const pool = poolOf(well);
  const asked = outcome(pool.run('answer'));
  await pool.close();
  expect(['well', 'worker-died']).toContain(await asked);
});
