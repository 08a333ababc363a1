import { open, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Random, syncDirectory } from '@postern/runtime';

/** A new file for its owner alone. */
export function writeNew(path: string, content: string | Uint8Array): Promise<void> {
  return writeFile(path, content, { flag: 'wx', mode: 0o600 });
}

/** Syncs every file of a directory, a few at once, then the directory: cheaper than file after file while they are written. */
export async function syncAll(directory: string): Promise<void> {
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

/** 32 hex digits by chance. */
export function drawName(random: Random): string {
  return Buffer.from(random.bytes(16)).toString('hex');
}
