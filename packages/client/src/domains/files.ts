import { readdir, unlink } from 'node:fs/promises';
import { syncDirectory } from '@postern/runtime';
import { absent } from '../cache.ts';

/** Names of the domains that have a file with this ending, sorted. */
export async function listNames(directory: string, ending: string): Promise<string[]> {
  const files = (await readdir(directory).catch(absent)) ?? [];
  return files
    .filter((name) => !name.startsWith('.') && name.endsWith(ending) && name !== ending)
    .map((name) => decodeURIComponent(name.slice(0, -ending.length)))
    .sort();
}

/** Whether there was one. */
export async function removeFile(directory: string, path: string): Promise<boolean> {
  try {
    await unlink(path);
  } catch (error) {
    absent(error);
    return false;
  }
  await syncDirectory(directory);
  return true;
}
