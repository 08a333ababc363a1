import { mkdtemp, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const memory = '/dev/shm';
/** Bytes. */
const room = 1_073_741_824;

/**
 * Makes a folder in which several stores keep what they write: in memory where it has room, since they would wait for one disk
 * most of the time. What is synced, and in which order, is the same.
 */
export async function storesFolder(name: string): Promise<string> {
  const { bavail, bsize } = await statfs(memory).catch(() => ({ bavail: 0, bsize: 0 }));
  return mkdtemp(join(bavail * bsize < room ? tmpdir() : memory, `postern-${name}-`));
}
