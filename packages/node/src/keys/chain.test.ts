import { cp, link, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { xwingSeedBytes } from '@postern/protocol/primitives';
import { systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Lineage } from '../spool.ts';
import { type Chain, newChain, readChains, seedOf, successor } from './chain.ts';
import { agreeOnLineage } from './lineage.ts';
import { bindMixKeys, destroyMixKeys, mixFolder, turnMixKeys } from './mix-keys.ts';

let folder = '';
let one = '';
let other = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-chain-'));
  one = join(folder, 'one');
  other = join(folder, 'other');
});
afterEach(() => rm(folder, { recursive: true }));

/** What a spool says that nobody has named a chain to, or that names `named`. */
function spoolOf(named?: string): Lineage {
  let lineage = named;
  return {
    read: async () => lineage,
    claim: async (given) => {
      lineage ??= given;
      return lineage;
    },
  };
}

function agree(dataDir: string, spool: Lineage, { epoch = 100, peels = true } = {}) {
  return agreeOnLineage({ dataDir, random: systemRandom, spool, epoch, peels });
}

/** Makes a chain and its first keys. */
async function begin(dataDir: string, epoch = 100): Promise<string> {
  await bindMixKeys(dataDir, 'spool');
  const lineage = (await agree(dataDir, spoolOf(), { epoch })) ?? '';
  await turnMixKeys(dataDir, epoch, systemRandom, lineage);
  return lineage;
}

const filesOf = async (dataDir: string): Promise<string[]> =>
  (await readdir(join(dataDir, mixFolder))).filter((name) => name !== 'spool.id').sort();

const contentsOf = async (dataDir: string): Promise<Record<string, string>> =>
  Object.fromEntries(
    await Promise.all(
      (await filesOf(dataDir)).map(async (name) => [
        name,
        (await readFile(join(dataDir, mixFolder, name))).toString('hex'),
      ]),
    ),
  );

const seedsOf = async (dataDir: string, epoch: number, lineage: string) =>
  (await turnMixKeys(dataDir, epoch, systemRandom, lineage)).seeds;

/** All seeds that a chain leads to, up to an epoch. */
function leadsTo(chain: Chain, epoch: number): Uint8Array[] {
  const seeds: Uint8Array[] = [];
  for (let at = chain; at.epoch <= epoch; at = successor(at)) seeds.push(seedOf(at));
  return seeds;
}

test('each seed is another, and so is each chain key', () => {
  const seeds = leadsTo(newChain(7, systemRandom), 60).map((seed) => Buffer.from(seed).toString('hex'));
  expect(new Set(seeds).size).toBe(54);
  expect(new Set(seeds.map(({ length }) => length))).toEqual(new Set([2 * xwingSeedBytes]));
});

test('copies have the same keys, epoch for epoch, and one that slept has those of the epochs between too', async () => {
  const lineage = await begin(one);
  await cp(one, other, { recursive: true });
  for (const epoch of [101, 102, 103, 104]) await seedsOf(one, epoch, lineage);
  const late = await seedsOf(other, 104, lineage);
  expect(late).toEqual(await seedsOf(one, 104, lineage));
  expect(late.map(({ epoch }) => epoch)).toEqual([101, 102, 103, 104, 105, 106]);
  const after = await seedsOf(other, 1_000, lineage);
  expect(after.map(({ epoch }) => epoch)).toEqual([997, 998, 999, 1_000, 1_001, 1_002]);
  expect(after).toEqual(await seedsOf(one, 1_000, lineage));
});

test('no file leads to a key that is past', async () => {
  const lineage = await begin(one);
  const [start] = (await readChains(join(one, mixFolder))) as [Chain];
  const past = (await seedsOf(one, 100, lineage)).slice(0, 2);
  await seedsOf(one, 105, lineage);
  expect(await filesOf(one)).toEqual(
    ['102', '103', '104', '105', '106', '107'].map((at) => `${at}.key`).concat('108.chain'),
  );
  const [chain] = (await readChains(join(one, mixFolder))) as [Chain];
  const left = JSON.stringify(await contentsOf(one));
  const reachable = leadsTo(chain, 400).map((seed) => Buffer.from(seed).toString('hex'));
  for (const { seed } of past) {
    const hex = Buffer.from(seed).toString('hex');
    expect(left).not.toContain(hex);
    expect(reachable).not.toContain(hex);
  }
  expect(left).not.toContain(Buffer.from(start.key).toString('hex'));
  expect(reachable).toContain(Buffer.from(leadsTo(start, 300).at(-1) ?? []).toString('hex'));
});

test('a crash at any write of a turn leaves what comes to the same keys', async () => {
  const lineage = await begin(one);
  const before = await contentsOf(one);
  await cp(one, other, { recursive: true });
  const seeds = await seedsOf(one, 102, lineage);
  const after = await contentsOf(one);
  const made = ['103.key', '104.key', '105.chain'];
  // Each is written in this order, and what was there goes after that.
  for (const written of [0, 1, 2, 3]) {
    await rm(join(other, mixFolder), { recursive: true });
    await cp(one, other, { recursive: true });
    for (const name of Object.keys(after)) await rm(join(other, mixFolder, name));
    const left = {
      ...before,
      ...Object.fromEntries(made.slice(0, written).map((name) => [name, after[name] ?? ''])),
    };
    for (const [name, hex] of Object.entries(left))
      await writeFile(join(other, mixFolder, name), Buffer.from(hex, 'hex'), { mode: 0o600 });
    await writeFile(join(other, mixFolder, '.105.chain.0011'), Buffer.alloc(52, 7));
    expect(await seedsOf(other, 102, lineage)).toEqual(seeds);
    expect(await contentsOf(other)).toEqual(after);
  }
});

test('a copy that lies on top of other keys leaves none of those', async () => {
  await begin(other, 98);
  const stale = await filesOf(other);
  const lineage = await begin(one, 101);
  await cp(one, other, { recursive: true });
  expect(await filesOf(other)).toEqual(expect.arrayContaining([...stale, '104.chain']));
  expect(await agree(other, spoolOf(lineage), { epoch: 101 })).toBe(lineage);
  expect(await seedsOf(other, 101, lineage)).toEqual(await seedsOf(one, 101, lineage));
  expect(await contentsOf(other)).toEqual(await contentsOf(one));
});

test('keys that a copy lacks, or that a clock was ahead of, are missed and not made up', async () => {
  const lineage = await begin(one);
  await cp(one, other, { recursive: true });
  await rm(join(other, mixFolder, '101.key'));
  const refusal = { code: 'missing-key-file', hint: expect.stringContaining('Copy mix-keys/') };
  await expect(seedsOf(other, 100, lineage)).rejects.toMatchObject(refusal);
  await seedsOf(one, 900, lineage);
  await expect(seedsOf(one, 101, lineage)).rejects.toMatchObject(refusal);
  // Nothing is missed of what was before the chain.
  expect((await seedsOf(one, 901, lineage)).map(({ epoch }) => epoch)).toHaveLength(6);
});

test('with another spool the chain is destroyed as the keys are', async () => {
  const lineage = await begin(one);
  expect(await bindMixKeys(one, 'spool')).toBe(0);
  expect(await bindMixKeys(one, 'another')).toBe(3);
  expect(await filesOf(one)).toEqual([]);
  await expect(seedsOf(one, 100, lineage)).rejects.toMatchObject({ code: 'missing-key-file' });
});

test('the first process names its chain, and another goes on only with the same', async () => {
  const spool = spoolOf();
  const lineage = await agree(one, spool);
  expect(await spool.read()).toBe(lineage);
  expect(await agree(one, spool)).toBe(lineage);
  const refusal = { code: 'other-mix-keys', exitCode: 78, hint: expect.stringContaining('Copy mix-keys/') };
  await expect(agree(other, spool)).rejects.toMatchObject(refusal);
  expect(await filesOf(other)).toEqual([]);
  await begin(other);
  const left = await contentsOf(other);
  await expect(agree(other, spool)).rejects.toMatchObject(refusal);
  await expect(agree(other, spool, { peels: false })).rejects.toMatchObject(refusal);
  expect(await contentsOf(other)).toEqual(left);
  await rm(join(other, mixFolder), { recursive: true });
  await cp(one, other, { recursive: true });
  expect(await agree(other, spool)).toBe(lineage);
});

test('of two that begin at the same moment one goes on, and the other leaves nothing', async () => {
  const spool = spoolOf();
  const both = await Promise.allSettled([agree(one, spool), agree(other, spool)]);
  const named = await spool.read();
  expect(both.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
  const kept = await Promise.all(
    [one, other].map(async (dataDir) =>
      (await readChains(join(dataDir, mixFolder))).map(({ lineage }) => lineage),
    ),
  );
  expect(kept.flat()).toEqual([named]);
});

test('a crash between the chain and its being named costs nothing', async () => {
  const lost: Lineage = { read: async () => undefined, claim: () => Promise.reject(new Error('killed')) };
  await expect(agree(one, lost)).rejects.toThrow('killed');
  const [chain] = (await readChains(join(one, mixFolder))) as [Chain];
  const spool = spoolOf();
  expect(await agree(one, spool)).toBe(chain.lineage);
  expect(await spool.read()).toBe(chain.lineage);
});

test('keys of the next epoch, from a clock that is a little ahead, are waited for', async () => {
  const lineage = await begin(one);
  await seedsOf(one, 104, lineage);
  const left = await contentsOf(one);
  await expect(seedsOf(one, 103, lineage)).rejects.toMatchObject({
    code: 'missing-key-file',
    exitCode: 75,
    hint: expect.stringContaining('in a minute'),
  });
  await expect(seedsOf(one, 102, lineage)).rejects.toMatchObject({ exitCode: 78 });
  expect(await contentsOf(one)).toEqual(left);
  expect((await seedsOf(one, 104, lineage)).map(({ epoch }) => epoch)).toHaveLength(6);
  // A chain that began with an epoch that is still to come.
  await expect(seedsOf(other, 99, await begin(other))).rejects.toMatchObject({ exitCode: 75 });
});

test('every key and chain is destroyed, and what a crash left of one', async () => {
  expect(await destroyMixKeys(one)).toEqual({ keys: 0, chains: 0 });
  await begin(one);
  await writeFile(join(one, mixFolder, '.104.chain.0011'), Buffer.alloc(52, 7));
  const names = await filesOf(one);
  const secrets = await contentsOf(one);
  await mkdir(other);
  for (const name of names) await link(join(one, mixFolder, name), join(other, name));
  expect(await destroyMixKeys(one)).toEqual({ keys: 3, chains: 1 });
  expect(await readdir(join(one, mixFolder))).toEqual(['spool.id']);
  for (const name of names)
    expect((await readFile(join(other, name))).toString('hex')).not.toBe(secrets[name]);
});

test('a process that opens no packets makes no chain and names none, and has the lineage of one that is there', async () => {
  const spool = spoolOf();
  expect(await agree(one, spool, { peels: false })).toBeUndefined();
  expect(await filesOf(one)).toEqual([]);
  const lineage = await begin(other);
  expect(await agree(other, spool, { peels: false })).toBe(lineage);
  expect(await spool.read()).toBeUndefined();
});
