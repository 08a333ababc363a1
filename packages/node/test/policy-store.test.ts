import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { PolicyEntry } from '@postern/mail';
import { silentLog } from '@postern/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type KeptPolicies, openPolicies } from '../src/policy-store.ts';
import { type FakeClock, fakeClock, until } from './support.ts';

const start = Date.UTC(2033, 0, 2, 3, 4, 5);
const dayMs = 86_400_000;

let dataDir = '';
let clock: FakeClock;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'postern-policies-'));
  clock = fakeClock(start);
});
afterEach(() => rm(dataDir, { recursive: true }));

const open = (): Promise<KeptPolicies> => openPolicies({ clock, log: silentLog, dataDir });
const kept = (): Promise<string> => readFile(join(dataDir, 'mta-sts.json'), 'utf8').catch(() => '');
const enforced = (days: number): PolicyEntry => ({
  policy: { id: 'a', mode: 'enforce', mx: ['mx.b.test'], maxAge: days * 86_400, fetched: clock.now() },
});

test('a policy outlasts the process, with the day on which it was fetched and nothing finer', async () => {
  await (await open()).set('b.test', enforced(10));
  const found = await (await open()).get('b.test');
  expect(found).toEqual({ policy: { ...enforced(10).policy, fetched: Date.UTC(2033, 0, 2) } });
  expect(await kept()).not.toContain(String(Math.floor(start / 1_000)));
  expect((await stat(join(dataDir, 'mta-sts.json'))).mode & 0o777).toBe(0o600);
});

test('domains lie there in the order of their names, whichever was written to first', async () => {
  const store = await open();
  for (const domain of ['c.test', 'a.test', 'b.test']) await store.set(domain, enforced(10));
  expect((await kept()).match(/[abc]\.test(?=","day)/g)).toEqual(['a.test', 'b.test', 'c.test']);
});

test.each([
  [2, 2],
  [365, 31],
])('one of %i days is forgotten after %i, on the disk as well', async (asked, held) => {
  const store = await open();
  await store.set('b.test', enforced(asked));
  const loop = store.start();
  await clock.advance(held * dayMs - 1);
  expect(await store.get('b.test')).toBeDefined();
  expect(await kept()).toContain('b.test');
  await clock.advance(1);
  expect(await store.get('b.test')).toBeUndefined();
  await clock.advance(dayMs);
  await until(async () => (await kept()) === '{"policies":[]}');
  await loop.stop();
});

test('one that ran out while the gateway was down is forgotten at the start', async () => {
  await (await open()).set('b.test', enforced(2));
  clock = fakeClock(start + 3 * dayMs);
  expect(await (await open()).get('b.test')).toBeUndefined();
  expect(await kept()).toBe('{"policies":[]}');
});

test('what could not be fetched is remembered, and not on the disk', async () => {
  const store = await open();
  const failed = { id: 'a', at: start };
  await store.set('b.test', { failed });
  expect(await store.get('b.test')).toEqual({ failed });
  expect(await kept()).toBe('');
});

test('a file that cannot be read stops the gateway: nobody is to take policies back so', async () => {
  await writeFile(join(dataDir, 'mta-sts.json'), '{"policies":[{"domain":"b.test"}]}');
  await expect(open()).rejects.toMatchObject({ code: 'policies-damaged', exitCode: 78 });
  await expect(open()).rejects.not.toThrow(/b\.test/);
});

test('the disk may fail: what is in force stays in force', async () => {
  const store = await open();
  await rm(dataDir, { recursive: true });
  await store.set('b.test', enforced(10));
  expect(await store.get('b.test')).toEqual(enforced(10));
  dataDir = await mkdtemp(join(tmpdir(), 'postern-policies-'));
});
