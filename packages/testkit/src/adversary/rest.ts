import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

/** One thing that lies somewhere, with everything in it. */
export interface AtRest {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/**
 * Every byte below a folder: what files hold, what they and their folders are called, where links lead. What goes while
 * it is being read counts as gone.
 */
export async function* readAtRest(path: string): AsyncGenerator<AtRest> {
  const stat = await unlessGone(lstat(path));
  if (stat === undefined) return;
  if (stat.isFile()) {
    const bytes = await unlessGone(readFile(path));
    if (bytes !== undefined) yield { path, bytes };
  } else if (stat.isSymbolicLink()) {
    const target = await unlessGone(readlink(path));
    if (target !== undefined) yield { path, bytes: Buffer.from(target) };
  } else if (stat.isDirectory()) {
    const names = (await unlessGone(readdir(path))) ?? [];
    yield { path, bytes: Buffer.from(names.join('\n')) };
    for (const name of names) yield* readAtRest(join(path, name));
  }
}

async function unlessGone<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
