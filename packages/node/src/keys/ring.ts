import { lstat, readdir, rename, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  ExitCode,
  makePrivateDirectory,
  overwriteAndRemove,
  syncDirectory,
  systemRandom,
} from '@postern/runtime';
import { NodeError } from '../errors.ts';

/**
 * One key of the node, or several that change as one. What `init` made lies in the data directory, and each that follows in a
 * folder of its own, under the same names. A folder is called by what it is: every step is one rename, so that a crash leaves the
 * state before it or the one after. That of a next one has chance in its name besides: it can be taken back, and no other ever has its name.
 */
export interface RingKind {
  /** Below the data directory. */
  readonly folder: string;
  /** File with the secret. */
  readonly secret: string;
  /** Files beside it that tell nothing. */
  readonly open: readonly string[];
  /** Seconds for which one is kept after another took its place. */
  readonly overlap: number;
}

export interface Generation {
  /** Where its files lie. */
  readonly dir: string;
  /** Unix seconds: in force since then, or from then on at the earliest. 0 for what `init` made. */
  readonly at: number;
  /** Unix seconds until which one that another replaced is kept at least; infinite for the others. */
  readonly until: number;
}

export interface Ring<T = Generation> {
  /** Made, and not in force yet. */
  readonly next: T | undefined;
  readonly current: T;
  /** Those before that are kept still, the last one first. */
  readonly previous: readonly T[];
}

const day = 86_400;

export const tlsRing: RingKind = {
  folder: 'tls-keys',
  secret: 'tls.key',
  open: ['tls.crt'],
  // So long may a data directory be brought back from a backup whose key is the one before.
  overlap: 7 * day,
};

export const dkimRing: RingKind = {
  folder: 'dkim-keys',
  secret: 'dkim.json',
  open: [],
  // A mail server tries for five days to hand on what was signed, and whoever takes it looks the key up then.
  overlap: 7 * day,
};

export const domainRing: RingKind = {
  folder: 'domain-keys',
  secret: 'domain.key',
  open: [],
  // Thirty days that a message may be on its way, seven that the records may be remembered, and the rest to spare: counted since DNS names the new one.
  overlap: 60 * day,
};

export async function readRing(dataDir: string, kind: RingKind): Promise<Ring> {
  const folder = join(dataDir, kind.folder);
  const found = (await namesIn(folder)).flatMap((name) => {
    const [, phase, at] = /^(next|since)-(\d{1,12})(?:-[0-9a-f]{16})?$/.exec(name) ?? [];
    return phase === undefined ? [] : [{ phase, dir: join(folder, name), at: Number(at) }];
  });
  const since = found.filter(({ phase }) => phase === 'since').sort((a, b) => b.at - a.at);
  const [current, ...before] = [...since, { dir: dataDir, at: 0 }].map(({ dir, at }, index) => {
    const replacedAt = since[index - 1]?.at ?? Number.POSITIVE_INFINITY;
    return { dir, at, until: replacedAt + kind.overlap };
  });
  const next = found.find(({ phase }) => phase === 'next');
  // A folder leaves whole; what `init` made goes file by file.
  const holdsFirst = await isThere(join(dataDir, kind.secret));
  return {
    next: next && { dir: next.dir, at: next.at, until: Number.POSITIVE_INFINITY },
    current: current as Generation,
    previous: before.filter(({ dir }) => dir !== dataDir || holdsFirst),
  };
}

/**
 * Makes what is to follow, in force from `at` (Unix seconds) at the earliest: `make` writes its files into a folder. Throws
 * `NodeError` `rotation-under-way` where there is one already.
 */
export async function addNext(
  dataDir: string,
  kind: RingKind,
  at: number,
  make: (dir: string) => Promise<unknown>,
): Promise<Generation> {
  const folder = join(dataDir, kind.folder);
  await makePrivateDirectory(folder);
  const { next } = await readRing(dataDir, kind);
  if (next !== undefined)
    throw new NodeError('rotation-under-way', `${next.dir} is to follow already, from ${utc(next.at)} on`, {
      exitCode: ExitCode.usage,
      hint: 'Wait until it is in force, as postern-node status shows it, or take it back: rotate --discard.',
    });
  const aside = join(folder, '.next');
  await removeAll(aside, kind); // what a crash left
  await makePrivateDirectory(aside);
  await make(aside);
  const chance = Buffer.from(systemRandom.bytes(8)).toString('hex');
  const made = { dir: join(folder, `next-${at}-${chance}`), at, until: Number.POSITIVE_INFINITY };
  await rename(aside, made.dir);
  await syncDirectory(folder);
  return made;
}

/** Destroys the next one; false where there is none, or none any more: it may come into force meanwhile. */
export async function discardNext(dataDir: string, kind: RingKind): Promise<boolean> {
  const { next } = await readRing(dataDir, kind);
  if (next === undefined) return false;
  const folder = join(dataDir, kind.folder);
  const renamed = await rename(next.dir, join(folder, `${pastPrefix}${basename(next.dir)}`)).then(
    () => true,
    ifGone(false),
  );
  await syncDirectory(folder);
  await finishForgetting(dataDir, kind);
  return renamed;
}

/**
 * Puts `next` in force, and no other; false where it is the next one no more: taken back, or in force already. Throws `NodeError`
 * `clock-behind`.
 */
export async function promote(
  dataDir: string,
  kind: RingKind,
  next: Generation,
  nowSeconds: number,
): Promise<boolean> {
  const { current } = await readRing(dataDir, kind);
  refuseLater(current, nowSeconds);
  const folder = join(dataDir, kind.folder);
  // The order of the times is the order of the keys, so that no two have the same.
  const since = join(folder, `since-${Math.max(nowSeconds, current.at + 1)}`);
  const renamed = await rename(next.dir, since).then(() => true, ifGone(false));
  await syncDirectory(folder);
  return renamed;
}

/**
 * Refuses to go on from a key that is in force since a time to come: the one after it would count as the one before. Throws `NodeError`
 * `clock-behind`.
 */
export function refuseLater({ dir, at }: Pick<Generation, 'dir' | 'at'>, nowSeconds: number): void {
  if (at <= nowSeconds) return;
  throw new NodeError('clock-behind', `${dir} is in force since ${utc(at)}, which is still to come`, {
    exitCode: ExitCode.usage,
    hint: `Put the clock right. If it is, it was wrong when that key came into force: rename the folder to since-${nowSeconds}.`,
  });
}

/** Destroys those whose overlap is over, and what a crash left of others; gives how many are no longer kept. */
export async function forgetPast(dataDir: string, kind: RingKind, nowSeconds: number): Promise<number> {
  await finishForgetting(dataDir, kind);
  const { previous } = await readRing(dataDir, kind);
  const past = previous.filter(({ until }) => until <= nowSeconds);
  for (const one of past) await putAside(dataDir, kind, one);
  await finishForgetting(dataDir, kind);
  return past.length;
}

/**
 * Destroys what is called a past one. A secret is overwritten only under such a name, which nobody reads: a crash on the way leaves no
 * random bytes where a key is looked for.
 */
export async function finishForgetting(dataDir: string, kind: RingKind): Promise<void> {
  const folder = join(dataDir, kind.folder);
  for (const name of await namesIn(folder)) {
    if (!name.startsWith(pastPrefix)) continue;
    // What `init` made leaves the data directory file by file, its secret first.
    if (name === pastName(0)) for (const open of kind.open) await rm(join(dataDir, open), { force: true });
    await removeAll(join(folder, name), kind);
  }
}

async function putAside(dataDir: string, kind: RingKind, { dir, at }: Generation): Promise<void> {
  const folder = join(dataDir, kind.folder);
  const past = join(folder, pastName(at));
  if (dir !== dataDir) await rename(dir, past);
  else {
    await makePrivateDirectory(past);
    await rename(join(dir, kind.secret), join(past, kind.secret));
    await syncDirectory(past);
    await syncDirectory(dir);
  }
  await syncDirectory(folder);
}

const pastPrefix = '.past-';

function pastName(at: number): string {
  return `${pastPrefix}${at}`;
}

export function utc(seconds: number): string {
  return new Date(seconds * 1_000).toISOString();
}

async function removeAll(dir: string, { secret }: RingKind): Promise<void> {
  // What a crash left of a file that was being written has its name, and more.
  // A command and a node that runs may both be at it.
  for (const name of await namesIn(dir))
    if (name.includes(secret)) await overwriteAndRemove(join(dir, name)).catch(ifGone(undefined));
  await rm(dir, { recursive: true, force: true });
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch(ifGone([]));
}

/** One that cannot be looked at is there. */
async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    (error: NodeJS.ErrnoException) => error.code !== 'ENOENT',
  );
}

function ifGone<T>(value: T): (error: NodeJS.ErrnoException) => T {
  return (error) => {
    if (error.code === 'ENOENT') return value;
    throw error;
  };
}
