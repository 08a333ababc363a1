/*
 * A network all of whose files lie in one folder, which is a small disk, and somebody who fills that disk while notes are on their way. Prints
 * one line of JSON: how much of the disk was left each time when the first mix put hand-overs off, and what is wrong in the end.
 */
import { open, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { startAuthor } from './author.ts';
import { startCascade } from './cascade.ts';
import { nodesOf, watchEvidence } from './evidence.ts';
import { judge } from './judge.ts';

/** What nodes leave of a disk unless told otherwise, and less than that. */
const withinReserve = 40_000_000;
const enough = 20;
const underWay = 24;

const [disk = '', store = ''] = process.argv.slice(2);
const filler = join(disk, 'filler');

/** Leaves so much of the disk to others. */
async function fill(left: number): Promise<void> {
  const file = await open(filler, 'w');
  try {
    const { bavail, bsize } = await statfs(disk);
    const piece = Buffer.alloc(64 * 1024, 1);
    for (let over = bavail * bsize - left; over > 0; over -= piece.length)
      await file.write(piece, 0, Math.min(piece.length, over));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
  } finally {
    await file.close();
  }
}

await using cascade = await startCascade(store === 'Redis' ? store : 'SQLite', { dir: disk });
await using watchful = watchEvidence(() => nodesOf(cascade.net.describe()));
using author = startAuthor(cascade, new AbortController().signal);
author.want(2 * underWay);
await author.progress(enough);

/** Waits until the first mix has put off so many more, and says how much of the disk is left then. */
async function putOff(): Promise<number> {
  const before = cascade.putOff;
  author.want(underWay);
  await author.until('the mix takes nothing more', () => cascade.putOff >= before + enough);
  const { bavail, bsize } = await statfs(disk);
  return bavail * bsize;
}

const left: number[] = [];
// Of a disk that Redis has, nodes leave nothing.
for (const bytes of store === 'Redis' ? [0] : [withinReserve, 0]) {
  await fill(bytes);
  left.push(await putOff());
}
await rm(filler);
// One that cannot write any more has ended.
if (store === 'Redis') await cascade.redis.ready();
await author.progress(enough);
const messages = await author.end();
const { figure, wrong } = await judge(cascade, messages, watchful);
process.stdout.write(`${JSON.stringify({ left, figure, wrong })}\n`);
