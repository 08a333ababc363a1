import { cp, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, type LogFields, silentLog, systemRandom } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Epochs, type EpochsContext, openEpochs } from '../src/epochs.ts';
import type { Loop } from '../src/loop.ts';
import type { Spool } from '../src/spool.ts';
import { type FakeClock, fakeClock, until } from './support.ts';

let folder = '';
let warned: string[] = [];
let informed: { event: string; fields: LogFields }[] = [];
beforeEach(async () => {
  warned = [];
  informed = [];
  folder = await storesFolder('epochs');
});
afterEach(() => rm(folder, { recursive: true }));

const keys = (): Promise<string[]> =>
  readdir(join(folder, 'mix-keys')).then((names) =>
    names
      .filter((name) => name.endsWith('.key'))
      .sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)),
  );

const hourMs = 3_600_000;

/** Opens the epochs in that one, over a spool whose `sync` is `sync`. */
function openAt(
  epoch: number,
  sync: () => Promise<void>,
  clock: Clock = fakeClock(epoch * hourMs),
  newest?: number,
): Promise<Epochs> {
  const forgetTags = async (): Promise<void> => undefined;
  return openOver({ id: 'ab'.repeat(16), sync, forgetTags }, clock, { newest });
}

function openOver(
  spool: Partial<Spool>,
  clock: Clock,
  {
    dataDir = folder,
    newest,
    peels = true,
    mix = true,
  }: { dataDir?: string; newest?: number | undefined; peels?: boolean; mix?: boolean } = {},
): Promise<Epochs> {
  return openEpochs({
    clock,
    random: systemRandom,
    log: {
      ...silentLog,
      info: (event, fields = {}) => void informed.push({ event, fields }),
      warn: (event) => void warned.push(event),
    },
    dataDir,
    nodeId: new Uint8Array(32),
    network: { epochSeconds: 3_600 } as EpochsContext['network'],
    spool: spool as Spool,
    mix,
    peels,
    newest,
  });
}

/** Of several processes, and named no chain yet. */
function sharedSpool(): Partial<Spool> {
  let lineage: string | undefined;
  return {
    id: 'ab'.repeat(16),
    sync: async () => undefined,
    forgetTags: async () => undefined,
    shared: {
      lineage: { read: async () => lineage, claim: async (given) => (lineage ??= given) },
      newestKey: async ({ fingerprint }) => fingerprint,
      takeTurn: async () => true,
      review: async () => undefined,
    },
  };
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

describe('a clock that no consensus confirms', () => {
  const synced = async (): Promise<void> => undefined;
  let loop: Loop | undefined;
  afterEach(() => loop?.stop());

  const range = (first: number, last: number): string[] =>
    Array.from({ length: last - first + 1 }, (_, at) => `${first + at}.key`);
  const first = async (): Promise<string | undefined> => (await keys())[0];
  /** A mix that ran until that time, took its last consensus in epoch 100, and has the keys of 97 to 102. */
  const openWith = async (clock: FakeClock, options: { mix?: boolean } = {}): Promise<Epochs> => {
    await openAt(97, synced);
    await openAt(100, synced);
    expect(await keys()).toEqual(range(97, 102));
    informed = [];
    return openOver({ id: 'ab'.repeat(16), sync: synced, forgetTags: synced }, clock, {
      newest: 100,
      ...options,
    });
  };
  /** Somebody sets the clock to the beginning of an epoch. */
  const setTo = async (clock: FakeClock, epoch: number): Promise<void> => {
    clock.set(epoch * hourMs);
    await clock.advance(1);
  };
  const logged = (event: string, field: string): unknown[] =>
    informed.filter((one) => one.event === event).map(({ fields }) => fields[field]);

  test.each([2, 24])(
    'costs no key when it jumps ahead by %d epochs, and those of its own time are made',
    async (ahead) => {
      const clock = fakeClock(100 * hourMs);
      const epochs = await openWith(clock);
      const published: number[][] = [];
      loop = epochs.start((made) => void published.push(made.map(({ epoch }) => epoch)));
      await until(() => published.length === 1);
      const there = 100 + ahead;
      await setTo(clock, there);
      await until(() => published.length === 2);
      expect(published[1]).toEqual([there, there + 1, there + 2]);
      expect(await keys()).toEqual([...new Set([...range(97, 102), ...range(there, there + 2)])]);
      expect(epochs.current().keys[0]?.epoch).toBe(97);
      // It is set right again.
      const again = await openAt(101, synced, fakeClock(101 * hourMs), 101);
      expect(
        again
          .current()
          .keys.map(({ epoch }) => epoch)
          .slice(0, 6),
      ).toEqual([98, 99, 100, 101, 102, 103]);
    },
  );

  test('costs none either when it stays ahead, as long as consensuses come: keys go as those say', async () => {
    const clock = fakeClock(100 * hourMs);
    const epochs = await openWith(clock);
    loop = epochs.start(() => undefined);
    await setTo(clock, 102);
    await until(() => epochs.epoch === 102);
    for (const epoch of [101, 102, 103, 104, 105]) {
      await clock.advance(hourMs);
      epochs.confirm(epoch);
      await until(async () => (await keys()).includes(`${epoch + 4}.key`));
      await until(async () => (await first()) === `${epoch - 3}.key`);
    }
    expect(warned).toEqual([]);
  });

  test('is believed once a consensus confirms it, and what is past goes', async () => {
    const clock = fakeClock(100 * hourMs);
    const epochs = await openWith(clock);
    loop = epochs.start(() => undefined);
    await setTo(clock, 200);
    await until(async () => (await keys()).includes('200.key'));
    epochs.confirm(200);
    await until(async () => (await first()) === '200.key');
    await until(() => epochs.current().keys[0]?.epoch === 200);
  });

  test('is believed after two epochs without one, and no sooner, after a restart too', async () => {
    const clock = fakeClock(200 * hourMs);
    const epochs = await openWith(clock);
    expect(await first()).toBe('97.key');
    loop = epochs.start(() => undefined);
    await until(() => warned.length === 1);
    await clock.advance(hourMs);
    await until(async () => (await keys()).includes('203.key'));
    // One epoch has begun since that of the consensus.
    await until(async () => (await first()) === '98.key');
    await clock.advance(hourMs);
    await until(async () => (await first()) === '200.key');
    await until(() => epochs.epoch === 202);
    await clock.advance(2 * hourMs);
    await until(async () => (await first()) === '201.key');
    expect(warned).toHaveLength(1);
  });

  test('is not believed when it was right again meanwhile, nor any sooner because it is put ahead again', async () => {
    const clock = fakeClock(100 * hourMs);
    const epochs = await openWith(clock);
    loop = epochs.start(() => undefined);
    const wrong = async (epoch: number): Promise<void> => {
      await setTo(clock, epoch);
      await until(async () => (await keys()).includes(`${epoch}.key`));
    };
    await wrong(200);
    await until(() => warned.length === 1);
    clock.set(100 * hourMs + 60_000);
    await clock.advance(hourMs);
    await until(() => epochs.epoch === 101);
    await clock.advance(hourMs);
    await until(() => epochs.epoch === 102);
    await wrong(300);
    await until(() => warned.length === 2);
    expect(await first()).toBe('99.key');
    await clock.advance(hourMs / 2);
    await wrong(400);
    await clock.advance(hourMs);
    await until(() => epochs.epoch === 401);
    expect(await keys()).toContain('102.key');
    await clock.advance(hourMs);
    await until(async () => (await first()) === '400.key');
  });

  test('costs no key when it is set back', async () => {
    const clock = fakeClock(100 * hourMs);
    const epochs = await openWith(clock);
    loop = epochs.start(() => undefined);
    await until(() => clock.waiting > 0);
    clock.set(90 * hourMs);
    await clock.advance(hourMs);
    await until(() => epochs.epoch === 91);
    expect(await keys()).toEqual(expect.arrayContaining(range(97, 102)));
    expect(warned).toEqual([]);
  });

  test('is right when no consensus comes: keys go by the time that passes, and nothing is said', async () => {
    const clock = fakeClock(100.5 * hourMs);
    const epochs = await openWith(clock);
    loop = epochs.start(() => undefined);
    await until(() => clock.waiting > 0);
    for (const epoch of [101, 102, 103, 104, 105]) {
      await clock.advance(hourMs / 2);
      await until(async () => (await keys()).includes(`${epoch + 2}.key`));
      await clock.advance(hourMs / 2);
      await until(async () => (await first()) === `${epoch - 3}.key`);
    }
    expect(warned).toEqual([]);
    await loop.stop();
    // Of what passed before a restart nothing is known.
    const again = await openAt(109, synced, fakeClock(109 * hourMs), 100);
    expect(again.current().keys[0]?.epoch).toBe(102);
  });

  test('is confirmed a little late in each epoch: each is told once, and its past once that is gone', async () => {
    const clock = fakeClock(100.5 * hourMs);
    const epochs = await openWith(clock);
    const published: number[] = [];
    loop = epochs.start(([now]) => void published.push(now?.epoch ?? 0));
    for (const epoch of [101, 102, 103]) {
      await until(() => published.length === epoch - 100);
      await clock.advance(epoch * hourMs - clock.now());
      await until(async () => (await keys()).includes(`${epoch + 2}.key`));
      await until(() => epochs.epoch === epoch);
      expect(await first()).toBe(`${epoch - 4}.key`);
      await clock.advance(20_000);
      epochs.confirm(epoch);
      await until(() => logged('past mix keys are gone', 'before').length === epoch - 99);
      expect(await first()).toBe(`${epoch - 3}.key`);
    }
    // Fetched ahead: that one has not begun by the clock.
    epochs.confirm(104);
    await clock.advance(hourMs / 2);
    expect(await first()).toBe('100.key');
    await clock.advance(104 * hourMs - clock.now());
    await until(async () => (await first()) === '101.key');
    await until(() => logged('past mix keys are gone', 'before').length === 5);
    expect(logged('past mix keys are gone', 'before')).toEqual([97, 98, 99, 100, 101]);
    expect(logged('epoch', 'epoch')).toEqual([101, 102, 103, 104]);
    expect(published).toEqual([100, 101, 102, 103, 104]);
    expect(warned).toEqual([]);
  });

  test('is not complained of while a consensus is valid by it, and believed two epochs after a restart', async () => {
    const clock = fakeClock(102 * hourMs);
    const epochs = await openWith(clock);
    loop = epochs.start(() => undefined);
    await until(() => clock.waiting > 1);
    expect(await first()).toBe('97.key');
    expect(warned).toEqual([]);
    await clock.advance(hourMs);
    await until(() => warned.length === 1);
    expect(warned).toEqual([expect.stringMatching(/^by the clock no consensus holds/)]);
    await until(async () => (await first()) === '98.key');
    await clock.advance(hourMs);
    await until(async () => (await first()) === '101.key');
    await clock.advance(hourMs);
    await until(async () => (await first()) === '102.key');
  });

  test('takes no key of a node that is no mix any more, until it is believed', async () => {
    const clock = fakeClock(100 * hourMs);
    const node = await openWith(clock, { mix: false });
    loop = node.start(() => undefined);
    await until(() => clock.waiting > 1);
    await setTo(clock, 200);
    await until(() => node.epoch === 200);
    expect(await keys()).toEqual(range(97, 102));
    expect(node.unused()).toBe('no-mix');
    await clock.advance(2 * hourMs);
    await until(() => node.unused() === undefined);
    expect(await keys()).toEqual([]);
  });

  test('is gone by where the node has taken no consensus', async () => {
    await openAt(100, synced);
    await openAt(200, synced);
    expect(await first()).toBe('200.key');
  });
});

test('processes of one mix have and publish the same keys, epoch after epoch', async () => {
  const spool = sharedSpool();
  const clock = fakeClock(100 * 3_600_000);
  const copy = join(folder, 'copy');
  const first = await openOver(spool, clock, { dataDir: join(folder, 'first') });
  await cp(join(folder, 'first'), copy, { recursive: true });
  const other = await openOver(spool, clock, { dataDir: copy });
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
  await expect(openOver(spool, clock, { dataDir: join(folder, 'third') })).rejects.toMatchObject({
    code: 'other-mix-keys',
  });
});

test('processes of one mix go by the clock, whatever consensus was taken last', async () => {
  const spool = sharedSpool();
  await openOver(spool, fakeClock(100 * hourMs));
  const epochs = await openOver(spool, fakeClock(200 * hourMs), { newest: 100 });
  const held = [197, 198, 199, 200, 201, 202];
  expect(await keys()).toEqual(held.map((epoch) => `${epoch}.key`));
  expect(epochs.current().keys.map(({ epoch }) => epoch)).toEqual(held);
});

test('a process that opens no packets turns the chain that it has, and destroys keys that none leads on from', async () => {
  const spool = sharedSpool();
  const clock = fakeClock(100 * hourMs);
  await openOver(spool, clock);
  const names = (): Promise<string[]> => readdir(join(folder, 'mix-keys')).then((all) => all.sort());
  const first = await names();
  expect(first).toEqual(['100.key', '101.key', '102.key', '103.chain', 'spool.id']);

  const beside = await openOver(spool, clock, { peels: false });
  expect(beside.unused()).toBe('others-peel');
  expect(warned).toEqual([expect.stringMatching(/^this process opens no packets.*mix-keys destroy/)]);
  const loop = beside.start(() => undefined);
  await clock.advance(hourMs);
  await until(async () => beside.epoch === 101);
  await loop.stop();
  expect(await names()).toContain('104.chain');
  const later = fakeClock(110 * hourMs);
  await openOver(spool, later, { peels: false });
  const turned = await names();
  expect(turned).toContain('113.chain');
  expect(turned.filter((name) => first.includes(name))).toEqual(['spool.id']);

  await rm(join(folder, 'mix-keys', '113.chain'));
  await writeFile(join(folder, 'mix-keys', '.113.chain.0011'), 'half a chain');
  expect((await openOver(spool, later, { peels: false })).unused()).toBeUndefined();
  expect(await names()).toEqual(['spool.id']);
});

test.each([
  ['drawn', false],
  ['of a chain', true],
])(
  'a node that is no mix any more destroys keys %s as their epochs end, makes none, and ends with the chain',
  async (_, shared) => {
    const forgotten: number[] = [];
    const spool: Partial<Spool> = {
      ...sharedSpool(),
      forgetTags: async (epoch) => void forgotten.push(epoch),
    };
    if (!shared) delete (spool as { shared?: unknown }).shared;
    const clock = fakeClock(100 * hourMs);
    const names = (): Promise<string[]> =>
      readdir(join(folder, 'mix-keys')).then((all) => all.filter((name) => name !== 'spool.id').sort());
    expect((await openOver(spool, clock)).unused()).toBeUndefined();
    const chains = shared ? ['103.chain'] : [];
    expect(await names()).toEqual(['100.key', '101.key', '102.key', ...chains]);

    const node = await openOver(spool, clock, { mix: false, peels: false });
    const loop = node.start((published) => expect(published).toEqual([]));
    const lies = async (epoch: number, ...expected: string[]): Promise<void> => {
      await clock.advance(epoch * hourMs - clock.now());
      await until(() => node.epoch === epoch);
      expect(await names()).toEqual(expected);
    };
    await lies(104, '101.key', '102.key', ...chains);
    expect(node.unused()).toBe('no-mix');
    expect(node.current().keys).toEqual([]);
    await lies(105, '102.key', ...chains);
    await lies(106);
    expect(node.unused()).toBeUndefined();
    await until(() => forgotten.at(-1) === 102);
    await loop.stop();
    expect(warned).toEqual([expect.stringMatching(/^the node is no mix any more/)]);
    // It is like one that never was, and forgets the last replay tags.
    const other = await openOver(spool, clock, { mix: false, peels: false });
    const after = other.start(() => undefined);
    expect(other.unused()).toBeUndefined();
    await clock.advance(4 * hourMs);
    await until(() => forgotten.at(-1) === 106);
    await after.stop();
    expect(warned).toHaveLength(1);
  },
);
