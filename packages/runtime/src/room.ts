import { statfs } from 'node:fs/promises';

const gib = 2 ** 30;
const mostGib = 64;

/** Bytes that are free on the disk of `path`, as far as others may know: the next lower power of two GiB, 0 below one, 64 GiB at most. */
export async function freeRoom(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  const free = Math.min((bavail * bsize) / gib, mostGib);
  return free < 1 ? 0 : 2 ** Math.floor(Math.log2(free)) * gib;
}
