import { existsSync } from 'node:fs';
import { readdir, rename, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { ExitCode, makePrivateDirectory, overwriteAndRemove, syncDirectory } from '@postern/runtime';
import { NodeError } from '../errors.ts';

/**
 * One key of the node, or several that change as one. What `init` made lies in the data directory, and each that follows in a
 * folder of its own, under the same names. A folder is called by what it is: every step is one rename, so that a crash leaves the
 * state before it or the one after.
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
  // Thirty days that a message may be on its way, seven that the records may be remembered, and the rest for the new one to be published.
  overlap: 60 * day,
};

export async function readRing(dataDir: string, kind: RingKind): Promise<Ring> {
  const folder = join(dataDir, kind.folder);
  const found = (await namesIn(folder)).flatMap((name) => {
    const [, phase, at] = /^(next|since)-(\d{1,12})$/.exec(name) ?? [];
    return phase === undefined ? [] : [{ phase, dir: join(folder, name), at: Number(at) }];
  });
  const since = found.filter(({ phase }) => phase === 'since').sort((a, b) => b.at - a.at);
  const [current, ...before] = [...since, { dir: dataDir, at: 0 }].map(({ dir, at }) => ({ dir, at }));
  const next = found.find(({ phase }) => phase === 'next');
  return {
    next: next && { dir: next.dir, at: next.at },
    current: current as Generation,
    // The secret goes first when one is removed.
    previous: before.filter(({ dir }) => existsSync(join(dir, kind.secret))),
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
      hint: 'Wait until it is in force; postern-node status shows it.',
    });
  const aside = join(folder, '.next');
  await removeAll(aside, kind); // what a crash left
  await makePrivateDirectory(aside);
  await make(aside);
  const made = { dir: join(folder, `next-${at}`), at };
  await rename(aside, made.dir);
  await syncDirectory(folder);
  return made;
}

/** Puts the next one in force. */
export async function promote(dataDir: string, kind: RingKind, nowSeconds: number): Promise<void> {
  const { next } = await readRing(dataDir, kind);
  if (next === undefined) return;
  const folder = join(dataDir, kind.folder);
  await rename(next.dir, join(folder, `since-${nowSeconds}`));
  await syncDirectory(folder);
}

/** Destroys those whose overlap is over; gives how many. */
export async function forgetPast(dataDir: string, kind: RingKind, nowSeconds: number): Promise<number> {
  const { current, previous } = await readRing(dataDir, kind);
  const past = previous.filter((_, at) => endOf([current, ...previous], at + 1, kind) <= nowSeconds);
  for (const { dir } of past) {
    if (dir !== dataDir) await removeAll(dir, kind);
    else {
      await overwriteAndRemove(join(dir, kind.secret));
      for (const name of kind.open) await unlink(join(dir, name)).catch(() => undefined);
    }
  }
  return past.length;
}

/** Unix seconds until which the `index`-th of them, the newest first, is kept. */
export function endOf(generations: readonly Pick<Generation, 'at'>[], index: number, kind: RingKind): number {
  return (generations[index - 1]?.at ?? Number.POSITIVE_INFINITY) + kind.overlap;
}

export function utc(seconds: number): string {
  return new Date(seconds * 1_000).toISOString();
}

async function removeAll(dir: string, { secret }: RingKind): Promise<void> {
  // What a crash left of a file that was being written has its name, and more.
  for (const name of await namesIn(dir)) if (name.includes(secret)) await overwriteAndRemove(join(dir, name));
  await rm(dir, { recursive: true, force: true });
}

async function namesIn(folder: string): Promise<string[]> {
  return readdir(folder).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
}
