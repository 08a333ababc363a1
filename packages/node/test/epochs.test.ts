import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog } from '@postern/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type EpochsContext, openEpochs } from '../src/epochs.ts';
import type { Spool } from '../src/spool.ts';
import { fakeClock, seeded } from './support.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-epochs-'));
});
afterEach(() => rm(folder, { recursive: true }));

const keys = (): Promise<string[]> =>
  readdir(join(folder, 'mix-keys')).then((names) => names.filter((name) => name.endsWith('.key')).sort());

/** Opens the epochs in that one, over a spool whose `sync` is `sync`. */
function openAt(epoch: number, sync: () => Promise<void>): Promise<unknown> {
  const spool: Pick<Spool, 'id' | 'sync'> = { id: 'ab'.repeat(16), sync };
  return openEpochs({
    clock: fakeClock(epoch * 3_600_000),
    random: seeded('epochs'),
    log: silentLog,
    dataDir: folder,
    nodeId: new Uint8Array(32),
    network: { epochSeconds: 3_600 } as EpochsContext['network'],
    spool: spool as Spool,
    mix: true,
    peels: true,
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
