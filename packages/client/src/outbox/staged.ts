import { copyFile, mkdir, open, readdir, rename, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory, type Random, syncDirectory } from '@postern/runtime';
import { absent } from '../cache.ts';
import { claim, takeOver } from './claim.ts';
import { encodePacketFile, type OutboxPacket } from './packetfile.ts';

/** A set in the making. */
export interface Staged extends AsyncDisposable {
  /** 32 hex digits; names the set, and the author's copy. */
  readonly id: string;
  add(packet: OutboxPacket): Promise<void>;
  /** The author's copy, sealed to the author. */
  keep(copy: Uint8Array): Promise<void>;
  /**
   * Puts the set in place. Rejects only while the set does not count; from then on whatever fails is returned, in sentences: the
   * packets go all the same.
   */
  commit(): Promise<readonly string[]>;
}

export async function stage(paths: { outbox: string; sent: string }, random: Random): Promise<Staged> {
  let id = hex(random, 16);
  let claimed = claim(paths.outbox, id);
  while (claimed === undefined) {
    id = hex(random, 16);
    claimed = claim(paths.outbox, id);
  }
  const held = claimed;
  const aside = asideOf(paths.outbox, id);
  await mkdir(aside, { mode: 0o700 }).catch((error) => {
    held[Symbol.dispose]();
    throw error;
  });
  let committed = false;
  return {
    id,
    // Named by chance: the order of the names says nothing about the order of the fragments.
    add: (packet) => write(join(aside, `${hex(random, 16)}.packet`), encodePacketFile(packet)),
    keep: (copy) => write(join(aside, 'sent.eml'), copy),
    async commit() {
      await syncAll(aside);
      await rename(aside, join(paths.outbox, id));
      committed = true;
      const durable = syncDirectory(paths.outbox).then(
        () => [],
        (error) => [`the message might not outlast a power failure: ${messageOf(error)}`],
      );
      const kept = keepCopy(paths, id).then(
        () => [],
        (error) => [
          `your copy could not be put into ${paths.sent}: ${messageOf(error)}; it stays with the packets until a later command can move it`,
        ],
      );
      return (await Promise.all([durable, kept])).flat();
    },
    async [Symbol.asyncDispose]() {
      using _ = held;
      if (!committed) await rm(aside, { recursive: true, force: true });
    },
  };
}

/** Removes what is left of a set whose making has ended without a commit. Returns how many directories that were: none while it is being made. */
export async function removeAbandoned(outbox: string, id: string): Promise<number> {
  using held = takeOver(outbox, id);
  if (held === undefined) return 0;
  await rm(asideOf(outbox, id), { recursive: true });
  return 1;
}

function asideOf(outbox: string, id: string): string {
  return join(outbox, `.staged-${id}`);
}

/** Moves the author's copy out of a committed set, if it still lies there. */
export async function keepCopy(paths: { outbox: string; sent: string }, id: string): Promise<void> {
  await makePrivateDirectory(paths.sent);
  const from = join(paths.outbox, id, 'sent.eml');
  const to = join(paths.sent, `${id}.eml`);
  try {
    await rename(from, to);
  } catch (error) {
    if (!isCode(error, 'EXDEV')) return absent(error);
    await moveAcross(from, to);
  }
  await syncDirectory(paths.sent);
}

/** To another file system: there as a whole before it goes here. */
async function moveAcross(from: string, to: string): Promise<void> {
  const aside = `${to}.part`;
  await copyFile(from, aside);
  const file = await open(aside, 'r+');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(aside, to);
  await unlink(from);
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function write(path: string, content: Uint8Array): Promise<void> {
  return writeFile(path, content, { flag: 'wx', mode: 0o600 });
}

/** Syncs every file of a directory, a few at once, then the directory: cheaper than file after file while they are written. */
async function syncAll(directory: string): Promise<void> {
  const names = await readdir(directory);
  const sync = async (): Promise<void> => {
    for (let name = names.pop(); name !== undefined; name = names.pop()) {
      const file = await open(join(directory, name), 'r');
      try {
        await file.sync();
      } finally {
        await file.close();
      }
    }
  };
  await Promise.all(Array.from({ length: 16 }, sync));
  await syncDirectory(directory);
}

function hex(random: Random, length: number): string {
  return Buffer.from(random.bytes(length)).toString('hex');
}
