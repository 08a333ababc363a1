import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '@postern/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Epochs, type EpochsContext, openEpochs } from '../src/epochs.ts';
import type { Spool } from '../src/spool.ts';
import { fakeClock, seeded, until } from './support.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-epochs-'));
});
afterEach(() => rm(folder, { recursive: true }));

const keys = (): Promise<string[]> =>
  readdir(join(folder, 'mix-keys')).then((names) => names.filter((name) => name.endsWith('.key')).sort());

const hourMs = 3_600_000;

/** Opens the epochs in that one, over a spool whose `sync` is `sync`. */
function openAt(
  epoch: number,
  sync: () => Promise<void>,
  clock = fakeClock(epoch * hourMs),
): Promise<Epochs> {
  const forgetTags = async (): Promise<void> => undefined;
  const spool: Pick<Spool, 'id' | 'sync' | 'forgetTags'> = { id: 'ab'.repeat(16), sync, forgetTags };
  return openEpochs({
    clock,
    random: seeded('epochs'),
    log: silentLog,
    dataDir: folder,
    nodeId: new Uint8Array(32),
    network: { epochSeconds: 3_600 } as EpochsContext['network'],
    spool: spool as Spool,
    mix: true,
  });
}

test('the spool is synced before a key is destroyed, and without that none is', async () => {
  await openAt(100, async () => undefined);
  const held = await keys();
  expect(held.length).toBeGreaterThan(0);
  await expect(openAt(200, () => Promise.reject(new Error('the disk fails')))).rejects.toThrow(
    'the disk fails',
  );
  expect(await keys()).toEqual(held);
  let before: string[] = [];
  await openAt(200, async () => {
    before = await keys();
  });
  expect(before).toEqual(held);
  expect((await keys()).filter((name) => held.includes(name))).toEqual([]);
});

test('before a key is destroyed the peelers have done with it, and then the spool is synced', async () => {
  const events: string[] = [];
  const clock = fakeClock(100 * hourMs);
  const sync = async (): Promise<void> => void events.push('sync');
  const epochs = await openAt(100, sync, clock);
  const held = await keys();
  events.length = 0;
  const settled = Promise.withResolvers<void>();
  epochs.onChange(async (setup) => {
    events.push(`opens ${setup.keys.map(({ epoch }) => epoch).join(' ')}`);
    await settled.promise;
  });
  const turning = epochs.start(() => undefined);
  await clock.advance(4 * hourMs);
  await until(() => events.length > 0);
  expect(events).toEqual(['opens 101 102']);
  expect(await keys()).toEqual(held);
  settled.resolve();
  await until(() => events.length === 3);
  expect(events).toEqual(['opens 101 102', 'sync', 'opens 101 102 104 105 106']);
  expect(await keys()).not.toContain('100.key');
  await turning.stop();
});
