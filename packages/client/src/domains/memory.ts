import { join } from 'node:path';
import { type Change, formatZone, type KnownRecord, parseZone } from '@postern/protocol/dns';
import { makePrivateDirectory, writeFileDurable } from '@postern/runtime';
import { z } from 'zod';
import { createFileCache } from '../cache.ts';
import { ClientError } from '../errors.ts';
import { listNames, removeFile } from './files.ts';

/** A record from DNS and until when it is used without asking again, Unix seconds. */
export interface Kept extends KnownRecord {
  readonly vouchedBy: 'dnssec' | 'first-use';
  readonly freshUntil: number;
}

/** What is remembered of a domain. */
export interface Remembered {
  /** The last good one, expired or not: it says which key to expect. */
  readonly known: Kept;
  /** Another one, that waits for a person's word. */
  readonly offered?: Kept & { readonly change: Change };
}

/** The records found in DNS, a file for each domain that only its owner may read. */
export interface Memory {
  /** Throws `bad-file` for one that is damaged: without it any key would be taken for the first. */
  recall(domain: string): Promise<Remembered | undefined>;
  /** Durable when it returns. */
  keep(domain: string, remembered: Remembered): Promise<void>;
  list(): Promise<string[]>;
  /** Whether there was one. */
  forget(domain: string): Promise<boolean>;
}

export function openMemory(directory: string): Memory {
  const file = (domain: string): string => join(directory, `${encodeURIComponent(domain)}.json`);
  const cache = createFileCache(async (content, path) => parse(content.toString('utf8'), path));
  return {
    recall: (domain) => cache.read(file(domain)),
    async keep(domain, { known, offered }) {
      const { change, ...rest } = offered ?? {};
      const content = {
        version: 1,
        known: formatKept(known),
        ...(change === undefined ? {} : { offered: { ...formatKept(rest as Kept), change } }),
      };
      await makePrivateDirectory(directory);
      await writeFileDurable(file(domain), `${JSON.stringify(content)}\n`);
    },
    list: () => listNames(directory, '.json'),
    forget: (domain) => removeFile(directory, file(domain)),
  };
}

const kept = z.strictObject({
  /** The lines of a zone file: the form in which records are pinned, too. */
  zone: z.string(),
  vouchedBy: z.enum(['dnssec', 'first-use']),
  freshUntil: z.int(),
});

const schema = z.strictObject({
  version: z.literal(1),
  known: kept,
  offered: kept
    .extend({ change: z.enum(['another-key', 'another-certificate', 'weaker-tls', 'older']) })
    .optional(),
});

function parse(text: string, path: string): Remembered {
  try {
    const { known, offered } = schema.parse(JSON.parse(text));
    return {
      known: readKept(known),
      ...(offered === undefined ? {} : { offered: { ...readKept(offered), change: offered.change } }),
    };
  } catch (cause) {
    throw new ClientError('bad-file', `${path} is damaged: what it remembers of a domain cannot be read`, {
      cause,
      hint: 'Compare the key with the domain’s operator by another way, then remove the file.',
    });
  }
}

function readKept({ zone, vouchedBy, freshUntil }: z.infer<typeof kept>): Kept {
  // As of 1970: an expired record still says which key to expect.
  const parsed = parseZone(zone, 0);
  if (parsed.kind === 'refused') throw new Error(parsed.reason);
  return { record: parsed.record, vouchedBy, freshUntil };
}

function formatKept({ record, vouchedBy, freshUntil }: Kept): object {
  return { zone: formatZone(record), vouchedBy, freshUntil };
}
