import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { makeUnsharedDirectory, type Random, syncDirectory } from '@postern/runtime';
import { encodeReturn } from '../returns/index.ts';
import { drawName, syncAll, writeNew } from './durable.ts';
import { copyName, type KeptPlaces, moveOut, returnEnding } from './moveout.ts';
import type { OutboxPacket } from './packetfile.ts';
import type { Staged } from './staged.ts';

/** A carriage for another program to hand over, and its SMTP envelope. */
export interface ReadyCarriage {
  readonly message: Uint8Array;
  /** MAIL FROM. */
  readonly from: string;
  /** RCPT TO. */
  readonly to: string;
}

/** The same as a file. */
export interface CarriageFile extends Omit<ReadyCarriage, 'message'> {
  readonly file: string;
  /** Unix seconds: of no use later. */
  readonly expires: number;
}

export interface StagedFiles extends Staged {
  /** Where they are once committed. */
  readonly directory: string;
  readonly files: readonly CarriageFile[];
}

/**
 * A set that goes into a directory of its own below `into`, for its owner alone, as carriages, with a list of them. Not there before all of it
 * is, and not before what opens a report is durable.
 */
export async function stageFiles(
  into: string,
  places: KeptPlaces,
  random: Random,
  ready: (packet: OutboxPacket) => Promise<ReadyCarriage>,
): Promise<StagedFiles> {
  const id = drawName(random);
  const aside = join(into, `.${id}`);
  const directory = join(into, id);
  const files: CarriageFile[] = [];
  let committed = false;
  await makeUnsharedDirectory(into);
  await mkdir(aside, { mode: 0o700 });
  return {
    id,
    directory,
    files,
    async add(packet) {
      const { message, from, to } = await ready(packet);
      const name = `${drawName(random)}.eml`;
      await writeNew(join(aside, name), message);
      files.push({ file: join(directory, name), from, to, expires: packet.expires });
    },
    keep: (copy) => writeNew(join(aside, copyName), copy),
    remember: (record) => writeNew(join(aside, `${record.token}${returnEnding}`), encodeReturn(record)),
    async commit() {
      // By name, which is by chance: the order says nothing about that of the fragments.
      files.sort((a, b) => (a.file < b.file ? -1 : 1));
      await writeNew(join(aside, 'list.json'), `${JSON.stringify(files, undefined, 2)}\n`);
      await syncAll(aside);
      await moveOut(aside, places, id);
      await rename(aside, directory);
      committed = true;
      await syncDirectory(into);
      return [];
    },
    async [Symbol.asyncDispose]() {
      if (!committed) await rm(aside, { recursive: true, force: true });
    },
  };
}
