import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
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
      // One byte more than any sealed message has is enough for it to be refused, and the others still come.
      const bytes = await buffer(
        createReadStream(join(directory, folder, name), { end: maxSealedBytes }),
      ).catch(absent);
      if (bytes !== undefined) yield { name: basename(name).replace(/:2,.*$/, ''), bytes };
    }
  }
}
