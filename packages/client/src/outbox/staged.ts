import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Random, syncDirectory } from '@postern/runtime';
import { encodeReturn, type ReturnRecord } from '../returns/index.ts';
import { claim, takeOver } from './claim.ts';
import { drawName, syncAll, writeNew } from './durable.ts';
import { copyName, type KeptPlaces, moveOut, returnEnding } from './moveout.ts';
import { encodePacketFile, type OutboxPacket } from './packetfile.ts';

/** A set in the making. */
export interface Staged extends AsyncDisposable {
  /** 32 hex digits; names the set, and the author's copy. */
  readonly id: string;
  add(packet: OutboxPacket): Promise<void>;
  /** The author's copy, sealed to the author. */
  keep(copy: Uint8Array): Promise<void>;
  /** What opens a report of it. */
  remember(record: ReturnRecord): Promise<void>;
  /**
   * Puts the set in place. Rejects only while the set does not count; from then on whatever fails is returned, in sentences: the
   * packets go all the same.
   */
  commit(): Promise<readonly string[]>;
}

export async function stage(paths: KeptPlaces & { outbox: string }, random: Random): Promise<Staged> {
  let id = drawName(random);
  let claimed = claim(paths.outbox, id);
  while (claimed === undefined) {
    id = drawName(random);
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
    add: (packet) => writeNew(join(aside, `${drawName(random)}.packet`), encodePacketFile(packet)),
    keep: (copy) => writeNew(join(aside, copyName), copy),
    remember: (record) => writeNew(join(aside, `${record.token}${returnEnding}`), encodeReturn(record)),
    async commit() {
      await syncAll(aside);
      await rename(aside, join(paths.outbox, id));
      committed = true;
      const durable = syncDirectory(paths.outbox).then(
        () => [],
        (error) => [`the message might not outlast a power failure: ${messageOf(error)}`],
      );
      const kept = moveOut(join(paths.outbox, id), paths, id).then(
        () => [],
        (error) => [
          `your copy could not be put into ${paths.sent}, or what opens a report into ${paths.returns}: ${messageOf(error)}; they stay with the packets until a later command can move them`,
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
