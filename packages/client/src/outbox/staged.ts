import { mkdir, open, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory, type Random, syncDirectory } from '@postern/runtime';
import { absent } from '../cache.ts';
import { encodePacketFile, type OutboxPacket } from './packetfile.ts';

/** A set in the making. */
export interface Staged extends AsyncDisposable {
  /** 32 hex digits; names the set, and the author's copy. */
  readonly id: string;
  add(packet: OutboxPacket): Promise<void>;
  /** The author's copy, sealed to the author. */
  keep(copy: Uint8Array): Promise<void>;
  /** All of it durable and in place when it returns. */
  commit(): Promise<void>;
}

const prefix = '.staged-';

/** Sets that this process is making now, so that clean-up after a crash leaves them alone. */
const inProgress = new Set<string>();

export async function stage(paths: { outbox: string; sent: string }, random: Random): Promise<Staged> {
  const id = hex(random, 16);
  const name = `${prefix}${process.pid}-${id}`;
  const aside = join(paths.outbox, name);
  inProgress.add(name);
  await mkdir(aside, { mode: 0o700 });
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
      await syncDirectory(paths.outbox);
      await keepCopy(paths, id);
      await syncDirectory(paths.sent);
    },
    async [Symbol.asyncDispose]() {
      inProgress.delete(name);
      if (!committed) await rm(aside, { recursive: true, force: true });
    },
  };
}

/** Whether a directory of this name is a set whose making has ended without a commit. */
export function isAbandoned(name: string): boolean {
  const [, pid] = new RegExp(`^\\${prefix}(\\d+)-`).exec(name) ?? [];
  if (pid === undefined || inProgress.has(name)) return false;
  return Number(pid) === process.pid || !isRunning(Number(pid));
}

/** Moves the author's copy out of a committed set. */
export async function keepCopy(paths: { outbox: string; sent: string }, id: string): Promise<void> {
  await makePrivateDirectory(paths.sent);
  await rename(join(paths.outbox, id, 'sent.eml'), join(paths.sent, `${id}.eml`)).catch(absent);
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
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
