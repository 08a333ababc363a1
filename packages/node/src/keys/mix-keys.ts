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
import { readKeyFile, wrongKeyFile } from './files.ts';

/** A mix's private key of one epoch. */
export interface MixSeed {
  readonly epoch: number;
  /** X-Wing seed, 32 bytes. */
  readonly seed: Uint8Array;
}

/** A mix's keys, one file for each epoch in `mix-keys/`, drawn apart from each other: no key leads to another. */
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
 * `certain`. When it returns the new keys are durable and the old ones gone.
 */
export async function turnMixKeys(
  dataDir: string,
  epoch: number,
  random: Random,
  certain: number = epoch,
): Promise<MixKeys> {
  const folder = join(dataDir, 'mix-keys');
  await makePrivateDirectory(folder);
  const firstEpoch = keyEpochsOpened(certain)[0] ?? certain;
  const held = new Set(await epochsIn(folder));
  for (const name of await readdir(folder)) {
    const keyEpoch = epochOf(name);
    // A seed may lie in what a crash left half-written.
    const past = keyEpoch === undefined ? name.startsWith('.') : keyEpoch < firstEpoch;
    if (past) await overwriteAndRemove(join(folder, name));
  }
  for (const wanted of keyEpochsPublished(epoch)) {
    if (!held.has(wanted)) await writeFileDurable(pathOf(folder, wanted), generateMixKey(random).seed);
  }
  const epochs = (await epochsIn(folder)).sort((a, b) => a - b);
  const seeds = await Promise.all(
    epochs.map(async (at) => ({ epoch: at, seed: await read(pathOf(folder, at)) })),
  );
  const published = seeds.filter((one) => keyEpochsPublished(epoch).includes(one.epoch)).map(publicHalf);
  return { seeds, published, firstEpoch };
}

/**
 * Ties the keys to the spool that has the replay tags of their packets. With another spool every key is destroyed, since each
 * packet made for it could be sent again; gives how many there were. To be called before anything is opened with a key. Throws
 * `NodeError` `key-file-io`, with the keys as they were, when it cannot be told which spool it was.
 */
export async function bindMixKeys(dataDir: string, spoolId: string): Promise<number> {
  const folder = join(dataDir, 'mix-keys');
  await makePrivateDirectory(folder);
  const bond = join(folder, 'spool.id');
  if ((await readBond(bond)) === spoolId) return 0;
  const names = (await readdir(folder)).filter((name) => epochOf(name) !== undefined || name.startsWith('.'));
  for (const name of names) await overwriteAndRemove(join(folder, name));
  // Only now: a crash before this line must destroy again.
  await writeFileDurable(bond, `${spoolId}\n`);
  return names.filter((name) => epochOf(name) !== undefined).length;
}

/** The spool that the keys are tied to; undefined when they are tied to none. */
async function readBond(path: string): Promise<string | undefined> {
  try {
    return (await readFile(path, 'latin1')).trimEnd();
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return undefined;
    throw new NodeError('key-file-io', `${path} cannot be read`, {
      cause,
      exitCode: ExitCode.tempFail,
      hint: 'Nothing was destroyed. Mend what keeps it from being read (owner, mode, disk, open files) and start again.',
    });
  }
}

function publicHalf({ epoch, seed }: MixSeed): EpochKey {
  return { epoch, key: encodeBase64(loadXWing(seed).publicKey) };
}

async function read(path: string): Promise<Uint8Array> {
  const seed = await readKeyFile(path);
  if (seed.length !== xwingSeedBytes) throw wrongKeyFile(path, 'mix key');
  return seed;
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
