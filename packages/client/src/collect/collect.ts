import { readdir, readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { absent } from '../cache.ts';
import { ClientError } from '../errors.ts';

/** A message as it was found. */
export interface Found {
  /** Where: `standard input`, a path, or a file's name in the Maildir. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Everything from a file, or from `input` for `-`. Throws `bad-file`. */
export async function collectOne(file: string, input: NodeJS.ReadableStream): Promise<Found> {
  if (file === '-') return { name: 'standard input', bytes: await buffer(input) };
  try {
    return { name: file, bytes: await readFile(file) };
  } catch (cause) {
    throw new ClientError('bad-file', `${file} cannot be read`, { cause });
  }
}

/**
 * The messages of a Maildir, oldest name first: those in `new`, or with `all` those in `cur` too. One at a time, and nothing in
 * the Maildir is moved or marked. Throws `bad-file` when it is none.
 */
export async function* collectMaildir(directory: string, all: boolean): AsyncGenerator<Found> {
  const folders = await readdir(directory).catch(absent);
  if (!folders?.includes('new')) {
    throw new ClientError('bad-file', `${directory} is no Maildir`, {
      hint: 'A Maildir has the folders new, cur and tmp.',
    });
  }
  for (const folder of all ? ['cur', 'new'] : ['new']) {
    const names = (await readdir(join(directory, folder)).catch(absent)) ?? [];
    for (const name of names.filter((each) => !each.startsWith('.')).sort()) {
      // Mail programs rename what they have seen at any time.
      const bytes = await readFile(join(directory, folder, name)).catch(absent);
      if (bytes !== undefined) yield { name: basename(name).replace(/:2,.*$/, ''), bytes };
    }
  }
}
