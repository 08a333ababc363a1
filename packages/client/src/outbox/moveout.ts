import { copyFile, open, readdir, rename, unlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { makePrivateDirectory, syncDirectory } from '@postern/runtime';
import { absent } from '../cache.ts';

/** Where what a message leaves behind for its author lies for good. */
export interface KeptPlaces {
  readonly sent: string;
  readonly returns: string;
}

/** The author's copy, in a set that is not settled. */
export const copyName = 'sent.eml';
/** A return record's name there: `<token>.return`. */
export const returnEnding = '.return';

/** Moves the author's copy and the return records out of a set's directory, as far as they still lie there. */
export async function moveOut(directory: string, places: KeptPlaces, id: string): Promise<void> {
  await move(join(directory, copyName), places.sent, `${id}.eml`);
  const names = (await readdir(directory).catch(absent)) ?? [];
  for (const name of names.filter((each) => each.endsWith(returnEnding)))
    await move(join(directory, name), places.returns, `${basename(name, returnEnding)}.json`);
}

async function move(from: string, place: string, name: string): Promise<void> {
  await makePrivateDirectory(place);
  const to = join(place, name);
  try {
    await rename(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') return absent(error);
    await moveAcross(from, to);
  }
  await syncDirectory(place);
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
