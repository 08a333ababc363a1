import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { maxSealedBytes } from '@postern/protocol/sealed';
import { whyUnreadable } from '@postern/runtime';
import { absent } from '../cache.ts';
import { ClientError } from '../errors.ts';

/** A message as it was found. */
export interface Found {
  /** Where: `standard input`, a path, or a file's name in the Maildir. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Everything from a file, or from `input` for `-`. Throws `bad-file`, `too-large`; never reads much more than `maxBytes`. */
export async function collectOne(
  file: string,
  input: NodeJS.ReadableStream,
  maxBytes: number,
): Promise<Found> {
  if (file === '-')
    return { name: 'standard input', bytes: await readUpTo(input, 'standard input', maxBytes) };
  try {
    return { name: file, bytes: await readUpTo(createReadStream(file), file, maxBytes) };
  } catch (cause) {
    if (cause instanceof ClientError) throw cause;
    throw new ClientError('bad-file', `${file} cannot be read: ${whyUnreadable(cause)}`, { cause });
  }
}

async function readUpTo(
  input: AsyncIterable<string | Uint8Array>,
  name: string,
  maxBytes: number,
): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of input) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    length += bytes.length;
    if (length > maxBytes) {
      throw new ClientError('too-large', `${name} holds more than ${maxBytes} bytes, which is the most`, {
        hint: 'Is it the right one? Give less at once, or share large files by another way.',
      });
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

/**
 * The messages of a Maildir in the order in which they were delivered, by the times of their files: those in `new`, or with `all` those in
 * `cur` too. One at a time, and nothing in the Maildir is moved or marked. Throws `bad-file` when it is none.
 */
export async function* collectMaildir(directory: string, all: boolean): AsyncGenerator<Found> {
  const folders = await readdir(directory).catch(absent);
  if (!folders?.includes('new')) {
    throw new ClientError('bad-file', `${directory} is no Maildir`, {
      hint: 'A Maildir has the folders new, cur and tmp.',
    });
  }
  const listed = (all ? ['cur', 'new'] : ['new']).map((folder) => mailsIn(join(directory, folder)));
  const mails = (await Promise.all(listed)).flat();
  // A delivered file is never written to again. Those of one moment go by their names.
  mails.sort((a, b) => a.deliveredMs - b.deliveredMs || (a.name < b.name ? -1 : 1));
  for (const { path, name } of mails) {
    // One byte more than any sealed message has is enough for it to be refused, and the others still come.
    const bytes = await buffer(createReadStream(path, { end: maxSealedBytes })).catch(absent);
    if (bytes !== undefined) yield { name, bytes };
  }
}

interface Mail {
  readonly path: string;
  readonly name: string;
  readonly deliveredMs: number;
}

/** Mail programs rename what they have seen at any time: what is gone meanwhile is left out. */
async function mailsIn(folder: string): Promise<Mail[]> {
  const names = (await readdir(folder).catch(absent)) ?? [];
  const mails = names
    .filter((name) => !name.startsWith('.'))
    .map(async (name): Promise<Mail[]> => {
      const path = join(folder, name);
      const found = await stat(path).catch(absent);
      if (found === undefined) return [];
      return [{ path, name: name.replace(/:2,.*$/, ''), deliveredMs: found.mtimeMs }];
    });
  return (await Promise.all(mails)).flat();
}
