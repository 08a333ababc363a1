import { readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { makePrivateDirectory, writeFileDurable } from '@postern/runtime';
import { z } from 'zod';
import { absent } from '../cache.ts';
import { ClientError } from '../errors.ts';

export const lookupSources = ['dns', 'wkd', 'keyring'] as const;
/** Where a certificate is looked up: OPENPGPKEY in DNS, a Web Key Directory, the person's GnuPG keyring. */
export type LookupSource = (typeof lookupSources)[number];
/** Where a pinned certificate is from; `file` is what was imported. */
export type KeySource = LookupSource | 'file';

/** How a certificate came to be pinned. */
export interface Pin {
  /** Of the certificate that it is about: one of another says nothing. */
  readonly fingerprint: string;
  readonly source: KeySource;
  /** The day: `2026-01-31`. */
  readonly since: string;
}

/** A certificate that was found and waits for a person's word. */
export interface Offer {
  readonly source: LookupSource;
  readonly fingerprint: string;
  readonly armored: string;
}

/** Notes beside the certificates, a file for each mailbox. All are durable when a call returns. */
export interface Notes<T> {
  /** Throws `bad-file` for one that is damaged. */
  read(mailbox: string): Promise<T | undefined>;
  write(mailbox: string, note: T): Promise<void>;
  remove(mailbox: string): Promise<void>;
}

const pin = z.strictObject({
  fingerprint: z.string(),
  source: z.enum([...lookupSources, 'file']),
  since: z.iso.date(),
});
const offers = z.array(
  z.strictObject({ source: z.enum(lookupSources), fingerprint: z.string(), armored: z.string() }),
);

export function openPins(directory: string): Notes<Pin> {
  return openNotes(join(directory, 'pins'), pin);
}

export function openOffers(directory: string): Notes<readonly Offer[]> {
  return openNotes(join(directory, 'offers'), offers);
}

/** The name of a mailbox's file, without its ending. */
export function fileNameOf(mailbox: string): string {
  return encodeURIComponent(mailbox).replace('%40', '@');
}

/** `2026-01-31`: no finer time is kept. */
export function dayOf(date: Date): string {
  return date.toISOString().slice(0, 10);
}

function openNotes<T>(directory: string, schema: z.ZodType<T>): Notes<T> {
  const file = (mailbox: string): string => join(directory, `${fileNameOf(mailbox)}.json`);
  return {
    async read(mailbox) {
      const path = file(mailbox);
      const text = await readFile(path, 'utf8').catch(absent);
      if (text === undefined) return undefined;
      try {
        return schema.parse(JSON.parse(text));
      } catch (cause) {
        throw new ClientError('bad-file', `${path} is damaged`, {
          cause,
          hint: `Compare the key of ${mailbox} with its owner by another way, then remove the file.`,
        });
      }
    },
    async write(mailbox, note) {
      await makePrivateDirectory(directory);
      await writeFileDurable(file(mailbox), `${JSON.stringify(note)}\n`);
    },
    remove: (mailbox) => unlink(file(mailbox)).catch(absent),
  };
}
