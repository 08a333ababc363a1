import { readdir, readFile, rm, rmdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory, type Random, syncDirectory } from '@postern/runtime';
import { absent } from '../cache.ts';
import { ClientError } from '../errors.ts';
import { idsOfUnfinished } from './claim.ts';
import { type KeptPlaces, moveOut } from './moveout.ts';
import { decodePacketFile, type OutboxPacket } from './packetfile.ts';
import { removeAbandoned, type Staged, stage } from './staged.ts';

/** A packet in the outbox. */
export interface QueuedPacket {
  /** The set that it belongs to. */
  readonly set: string;
  /** `undefined` when it has gone meanwhile: another process has handed it over. Throws `bad-file` when the file holds no packet. */
  load(): Promise<OutboxPacket | undefined>;
  /** Takes it out: it was handed over. */
  remove(): Promise<void>;
}

/** What is left of one message. */
export interface OutboxSet {
  readonly id: string;
  /** Packets that still wait. */
  readonly packets: number;
  /** How many of them are envelopes of direct mode; absent when none is. */
  readonly envelopes?: number;
  /** Unix seconds: the earliest expiry among those that can be read; infinite when none can. */
  readonly expires: number;
  /** Why some of it cannot be read. */
  readonly flaw?: string;
}

/**
 * Packets on their way out, and what a message leaves for its author. A message is a directory of packet files, a *set*. It is
 * written aside, synced and renamed into place: after a crash it is there as a whole or not at all. Several processes
 * may work on one outbox: a packet handed over twice counts once, by its replay tag, and an envelope by the fragment in it.
 */
export interface Outbox {
  /** A new set. It counts from `commit()` on; disposed before that, it leaves nothing. */
  stage(): Promise<Staged>;
  /** The packets of one set or of all, in no particular order. */
  queued(set?: string): Promise<QueuedPacket[]>;
  list(): Promise<OutboxSet[]>;
  /** Removes a set unsent. Throws `wrong-use` when there is none of this id. */
  discard(id: string): Promise<number>;
  /**
   * After a crash: removes sets that were never completed, and finishes what `commit()` had begun. Returns how many it removed. What
   * cannot be mended now is left to the next time: no set keeps the others from going.
   */
  recover(): Promise<number>;
}

export function openOutbox(paths: KeptPlaces & { outbox: string }, random: Random): Outbox {
  const setDirectory = (id: string): string => join(paths.outbox, id);
  const ids = async (): Promise<string[]> =>
    (await entries(paths.outbox)).filter((name) => setName.test(name));
  const queued = async (set: string): Promise<QueuedPacket[]> => {
    const files = (await entries(setDirectory(set))).filter((name) => name.endsWith('.packet'));
    return files.map((name) => queuedPacket(set, join(setDirectory(set), name)));
  };
  return {
    async stage() {
      await makePrivateDirectory(paths.outbox);
      await makePrivateDirectory(paths.sent);
      await makePrivateDirectory(paths.returns);
      return stage(paths, random);
    },
    queued: async (set) =>
      set === undefined ? (await Promise.all((await ids()).map(queued))).flat() : queued(set),
    async list() {
      const sets = await Promise.all((await ids()).map((id) => describeSet(id, () => queued(id))));
      return sets.filter(({ packets, flaw }) => packets > 0 || flaw !== undefined);
    },
    async discard(id) {
      const left = setName.test(id) ? await queued(id) : [];
      if (left.length === 0) {
        throw new ClientError('wrong-use', `nothing of ${id} waits in the outbox`, {
          hint: 'postern outbox lists what waits.',
        });
      }
      await rm(setDirectory(id), { recursive: true });
      await syncDirectory(paths.outbox);
      return left.length;
    },
    async recover() {
      for (const id of await ids()) await moveOut(setDirectory(id), paths, id).catch(leave);
      let removed = 0;
      for (const id of idsOfUnfinished(await entries(paths.outbox)))
        removed += (await removeAbandoned(paths.outbox, id).catch(leave)) ?? 0;
      return removed;
    },
  };
}

const leave = (): undefined => undefined;

const setName = /^[0-9a-f]{32}$/;

function queuedPacket(set: string, path: string): QueuedPacket {
  return {
    set,
    async load() {
      const content = await readFile(path).catch(absent);
      return content === undefined ? undefined : decodePacketFile(content, set);
    },
    async remove() {
      await unlink(path).catch(absent);
      // The last one takes the set along. A crash before this lands sends the packet once more, and its replay tag drops it.
      await rmdir(join(path, '..')).catch(() => undefined);
    },
  };
}

/** Never rejects: one damaged set hides none of the others. */
async function describeSet(id: string, packetsOf: () => Promise<QueuedPacket[]>): Promise<OutboxSet> {
  let count = 0;
  let envelopes = 0;
  let expires = Number.POSITIVE_INFINITY;
  let flaw: string | undefined;
  const note = (error: unknown): undefined => {
    flaw ??= error instanceof Error ? error.message : String(error);
  };
  for (const packet of (await packetsOf().catch(note)) ?? []) {
    const loaded = await packet.load().catch((error) => {
      note(error);
      return 'unreadable' as const;
    });
    if (loaded === undefined) continue;
    count += 1;
    if (loaded === 'unreadable') continue;
    if (loaded.next.kind === 'domain') envelopes += 1;
    expires = Math.min(expires, loaded.expires);
  }
  return {
    id,
    packets: count,
    ...(envelopes === 0 ? {} : { envelopes }),
    expires,
    ...(flaw === undefined ? {} : { flaw }),
  };
}

async function entries(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(absent)) ?? [];
}
