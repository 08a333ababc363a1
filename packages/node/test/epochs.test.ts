import { cp, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, silentLog, systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Epochs, type EpochsContext, openEpochs } from '../src/epochs.ts';
import type { Spool } from '../src/spool.ts';
import { fakeClock, until } from './support.ts';

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
  return openOver(spool, fakeClock(epoch * 3_600_000));
}

function openOver(spool: Partial<Spool>, clock: Clock, dataDir = folder): Promise<Epochs> {
  return openEpochs({
    clock,
    random: systemRandom,
    log: silentLog,
    dataDir,
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

test('processes of one mix have and publish the same keys, epoch after epoch', async () => {
  let lineage: string | undefined;
  const spool: Partial<Spool> = {
    id: 'ab'.repeat(16),
    sync: async () => undefined,
    forgetTags: async () => undefined,
    shared: {
      lineage: { read: async () => lineage, claim: async (given) => (lineage ??= given) },
      takeTurn: async () => true,
      review: async () => undefined,
    },
  };
  const clock = fakeClock(100 * 3_600_000);
  const copy = join(folder, 'copy');
  const first = await openOver(spool, clock, join(folder, 'first'));
  await cp(join(folder, 'first'), copy, { recursive: true });
  const other = await openOver(spool, clock, copy);
  const published: Record<'first' | 'other', string[]> = { first: [], other: [] };
  const note = (of: keyof typeof published) => (keys: readonly { epoch: number; key: string }[]) =>
    void published[of].push(JSON.stringify(keys));
  const loops = [first.start(note('first')), other.start(note('other'))];
  for (let turn = 1; turn <= 6; turn++) {
    await until(() => published.first.length === turn && published.other.length === turn);
    expect(first.current().keys).toEqual(other.current().keys);
    await clock.advance(3_600_000);
  }
  await Promise.all(loops.map((loop) => loop.stop()));
  expect(published.first).toEqual(published.other);
  expect(new Set(published.first).size).toBeGreaterThanOrEqual(6);
  await expect(openOver(spool, clock, join(folder, 'third'))).rejects.toMatchObject({
    code: 'other-mix-keys',
  });
});
