import { join } from 'node:path';
import { createDkimSigner, type DkimKey, dkimOwner, dkimRecord, generateDkimKeys } from '@postern/mail';
import { type Random, writeFileDurable } from '@postern/runtime';
import { z } from 'zod';
import { readKeyFile, wrongKeyFile } from './files.ts';

/** Makes `dkim.json`, a key of each algorithm. */
export async function makeDkimKeys(dir: string, random: Random): Promise<readonly DkimKey[]> {
  const keys = await generateDkimKeys((length) => random.bytes(length));
  await writeFileDurable(join(dir, 'dkim.json'), `${JSON.stringify(keys, null, 2)}\n`);
  return keys;
}

/** The keys that sign what goes to other domains. Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function loadDkimKeys(dataDir: string, domain: string): Promise<readonly DkimKey[]> {
  const path = join(dataDir, 'dkim.json');
  const text = Buffer.from(await readKeyFile(path)).toString('utf8');
  try {
    const keys = schema.parse(JSON.parse(text));
    createDkimSigner({ domain, keys }); // finds out whether each is one of its algorithm
    return keys;
  } catch {
    // The cause may show what stands in the file.
    throw wrongKeyFile(path, 'DKIM keys');
  }
}

/** Where a key's record stands in the zone, and its data: strings of up to 255 octets (RFC 6376 section 3.6.2.2). */
export function dkimLine(domain: string, key: DkimKey): { readonly owner: string; readonly data: string } {
  return { owner: `${dkimOwner(domain, key)}.`, data: textData(dkimRecord(key)) };
}

/** A TXT record's data in a zone file, for text that needs no escapes. */
export function textData(text: string): string {
  return (text.match(/.{1,255}/g) ?? []).map((string) => `"${string}"`).join(' ');
}

/** Whether what DNS has at a key's name is its record and nothing else: of several verifiers may take any (RFC 6376 section 3.6.2.2). */
export function isOnlyRecord(text: string, found: readonly string[] = []): boolean {
  const [only = '', ...others] = found;
  const [own, theirs] = [tagsOf(text), tagsOf(only)];
  return others.length === 0 && own.p === theirs.p && own.k === theirs.k;
}

/** White space around and in what was written by hand means nothing, and a key without a type is one of RSA (RFC 6376 sections 3.2, 3.6.1). */
function tagsOf(text: string): { readonly k: string; readonly p: string | undefined } {
  const tags = text.split(';').map((tag) => {
    const [name = '', ...value] = tag.replace(/\s+/g, '').split('=');
    return [name, value.join('=')] as const;
  });
  const { k = 'rsa', p } = Object.fromEntries(tags) as { k?: string; p?: string };
  return { k, p };
}

const schema = z
  .array(
    z.strictObject({
      selector: z.string(),
      algorithm: z.enum(['rsa-sha256', 'ed25519-sha256']),
      privateKey: z.string(),
    }),
  )
  .min(1);
