import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeBase64 } from '@postern/protocol/codec';
import { type EpochKey, keyEpochsOpened, keyEpochsPublished } from '@postern/protocol/consensus';
import { generateMixKey } from '@postern/protocol/packet';
import { loadXWing, xwingSeedBytes } from '@postern/protocol/primitives';
import {
  ExitCode,
  makePrivateDirectory,
  overwriteAndRemove,
  type Random,
  writeFileDurable,
} from '@postern/runtime';
import { NodeError } from '../errors.ts';
import {
  type Chain,
  chainEpochOf,
  destroyChain,
  lineageBytes,
  readChains,
  seedOf,
  successor,
  writeChain,
} from './chain.ts';
import { readKeyFile, unreadable, wrongKeyFile } from './files.ts';

/** Below the data directory. */
export const mixFolder = 'mix-keys';

/** A mix's private key of one epoch. */
export interface MixSeed {
  readonly epoch: number;
  /** X-Wing seed, 32 bytes. */
  readonly seed: Uint8Array;
}

/**
 * A mix's keys, one file for each epoch in `mix-keys/`. Drawn apart from each other, so that no key leads to another; or, where several
 * processes have to have the same, from a chain, which leads from each to later ones alone.
 */
export interface MixKeys {
  /** Those of every epoch whose packets are opened, ascending. */
  readonly seeds: readonly MixSeed[];
  /** Public halves of those that the descriptor names, ascending. */
  readonly published: readonly EpochKey[];
  /** The first epoch that still has a key: replay tags of earlier ones have nothing left to protect. */
  readonly firstEpoch: number;
}

/**
 * Brings the keys to an epoch (spec consensus 6.2): makes what is to be published, overwrites and removes what is past in the epoch
 * `certain`. When it returns the new keys are durable and the old ones gone. With the `lineage` of a chain that lies there they come from it,
 * whatever of another lineage lies there is destroyed, and keys of epochs that were skipped are made as well. Throws `NodeError`
 * `wrong-key-file`, and `missing-key-file` where the chain has left an epoch behind whose key is not there.
 */
export async function turnMixKeys(
  dataDir: string,
  epoch: number,
  random: Random,
  lineage?: string,
  certain: number = epoch,
): Promise<MixKeys> {
  const folder = join(dataDir, mixFolder);
  await makePrivateDirectory(folder);
  const firstEpoch = keyEpochsOpened(certain)[0] ?? certain;
  await destroyPast(folder, firstEpoch, lineage);
  if (lineage === undefined) await draw(folder, epoch, random);
  else await advance(folder, epoch, firstEpoch);
  const epochs = (await epochsIn(folder)).sort((a, b) => a - b);
  const files = await Promise.all(epochs.map((at) => readSeed(folder, at)));
  const seeds = files.map(({ epoch: at, seed }) => ({ epoch: at, seed }));
  const published = seeds.filter((one) => keyEpochsPublished(epoch).includes(one.epoch)).map(publicHalf);
  return { seeds, published, firstEpoch };
}

/**
 * Destroys what is past of the keys of a node that is no mix any more, and makes none; with the last of them the chains, which lead to later ones. Gives
 * whether any are left, and the first epoch that has one.
 */
export async function retireMixKeys(
  dataDir: string,
  certain: number,
): Promise<{ readonly firstEpoch: number; readonly left: boolean }> {
  const folder = join(dataDir, mixFolder);
  const firstEpoch = keyEpochsOpened(certain)[0] ?? certain;
  if (!(await holdsMixKeys(dataDir))) return { firstEpoch, left: false };
  await destroyPast(folder, firstEpoch);
  const left = (await epochsIn(folder)).length > 0;
  if (!left) await destroyMixKeys(dataDir);
  return { firstEpoch, left };
}

/** Whether keys or chains lie there. */
export async function holdsMixKeys(dataDir: string): Promise<boolean> {
  const names = await readdir(join(dataDir, mixFolder)).catch(ifNone);
  return names.some((name) => epochOf(name) !== undefined || chainEpochOf(name) !== undefined);
}

async function destroyPast(folder: string, firstEpoch: number, lineage?: string): Promise<void> {
  for (const name of await readdir(folder)) {
    const epoch = epochOf(name);
    // A seed may lie in what a crash left half-written.
    const past = epoch === undefined ? name.startsWith('.') : epoch < firstEpoch;
    // What a copy on top of others left: its replay tags may be in another spool.
    const foreign =
      !past &&
      epoch !== undefined &&
      lineage !== undefined &&
      (await readSeed(folder, epoch)).lineage !== lineage;
    if (past || foreign) await overwriteAndRemove(join(folder, name));
  }
  if (lineage === undefined) return;
  const [furthest, ...before] = (await readChains(folder)).sort(
    (a, b) => Number(b.lineage === lineage) - Number(a.lineage === lineage),
  );
  if (furthest?.lineage !== lineage)
    throw new NodeError('missing-key-file', `${folder} has no chain of the mix’s keys`, {
      exitCode: ExitCode.config,
      hint: copyAgain,
    });
  for (const chain of before) await destroyChain(folder, chain);
}

async function draw(folder: string, epoch: number, random: Random): Promise<void> {
  const held = new Set(await epochsIn(folder));
  for (const at of keyEpochsPublished(epoch))
    if (!held.has(at)) await writeFileDurable(pathOf(folder, at), generateMixKey(random).seed);
}

/**
 * A crash on the way leaves the chain where it was, or two of it, and the same seeds come of it again. Throws `NodeError` `missing-key-file`,
 * with exit code 75 where the keys are whole ones of the next epoch: another process's clock may be a little ahead.
 */
async function advance(folder: string, epoch: number, firstEpoch: number): Promise<void> {
  const held = new Set(await epochsIn(folder));
  const [start] = (await readChains(folder)) as [Chain];
  const last = Math.max(...keyEpochsPublished(epoch));
  let chain = start;
  for (; chain.epoch <= last; chain = successor(chain)) {
    const at = chain.epoch;
    if (at < firstEpoch || held.has(at)) continue;
    await writeFileDurable(
      pathOf(folder, at),
      Buffer.concat([Buffer.from(chain.lineage, 'hex'), seedOf(chain)]),
    );
    held.add(at);
  }
  if (chain !== start) {
    await writeChain(folder, chain);
    await destroyChain(folder, start);
  }
  const lackingIn = (present: number): number | undefined =>
    keyEpochsOpened(present).find((at) => (at >= start.first || at >= present) && !held.has(at));
  const lacking = lackingIn(epoch);
  if (lacking === undefined) return;
  if (lackingIn(epoch + 1) === undefined)
    throw new NodeError(
      'missing-key-file',
      `${folder} has the keys of epoch ${epoch + 1}, which has not begun by this clock`,
      {
        exitCode: ExitCode.tempFail,
        hint: 'Start again in a minute: clocks are a little apart. If it is so for longer, set the clock, or wait for that epoch.',
      },
    );
  throw new NodeError(
    'missing-key-file',
    `${folder} has no key of epoch ${lacking}, and its chain is past it`,
    {
      exitCode: ExitCode.config,
      hint: `The clock is behind, or was ahead, or a copy was not whole. ${copyAgain}`,
    },
  );
}

/** What a process does that cannot have the keys of the others. */
export const copyAgain =
  'Copy mix-keys/ from another process of this node. Where none has it any more, make a new chain: docs/operations/redis.md.';

/**
 * Ties the keys to the spool that has the replay tags of their packets. With another spool every key is destroyed, since each
 * packet made for it could be sent again; gives how many there were. To be called before anything is opened with a key. Throws
 * `NodeError` `key-file-io`, with the keys as they were, when it cannot be told which spool it was.
 */
export async function bindMixKeys(dataDir: string, spoolId: string): Promise<number> {
  const folder = join(dataDir, mixFolder);
  await makePrivateDirectory(folder);
  const bond = join(folder, 'spool.id');
  if ((await readBond(bond)) === spoolId) return 0;
  const { keys } = await destroyMixKeys(dataDir);
  // Only now: a crash before this line must destroy again.
  await writeFileDurable(bond, `${spoolId}\n`);
  return keys;
}

/** What was destroyed. */
export interface DestroyedKeys {
  readonly keys: number;
  readonly chains: number;
}

/** Overwrites and removes every mix key that lies there, chains first, and what a crash left half-written of either. */
export async function destroyMixKeys(dataDir: string): Promise<DestroyedKeys> {
  const folder = join(dataDir, mixFolder);
  const names = await readdir(folder).catch(ifNone);
  const chains = names.filter((name) => chainEpochOf(name) !== undefined);
  const keys = names.filter((name) => epochOf(name) !== undefined);
  const halves = names.filter((name) => name.startsWith('.'));
  for (const name of [...chains, ...halves, ...keys]) await overwriteAndRemove(join(folder, name));
  return { keys: keys.length, chains: chains.length };
}

function ifNone(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}

/** The spool that the keys are tied to; undefined when they are tied to none. */
async function readBond(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'latin1')).trimEnd();
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw unreadable(path, cause);
  }
}

function publicHalf({ epoch, seed }: MixSeed): EpochKey {
  return { epoch, key: encodeBase64(loadXWing(seed).publicKey) };
}

interface SeedFile extends MixSeed {
  /** Of the chain that it came from; undefined for one that was drawn. */
  readonly lineage: string | undefined;
}

async function readSeed(folder: string, epoch: number): Promise<SeedFile> {
  const path = pathOf(folder, epoch);
  const bytes = await readKeyFile(path);
  const headBytes = bytes.length - xwingSeedBytes;
  if (headBytes !== 0 && headBytes !== lineageBytes) throw wrongKeyFile(path, 'mix key');
  const lineage = Buffer.from(bytes.subarray(0, headBytes)).toString('hex') || undefined;
  return { epoch, lineage, seed: bytes.slice(headBytes) };
}

async function epochsIn(folder: string): Promise<number[]> {
  return (await readdir(folder)).map(epochOf).filter((epoch) => epoch !== undefined);
}

function epochOf(name: string): number | undefined {
  const [, digits] = /^(\d{1,10})\.key$/.exec(name) ?? [];
  return digits === undefined ? undefined : Number(digits);
}

function pathOf(folder: string, epoch: number): string {
  return join(folder, `${epoch}.key`);
}
