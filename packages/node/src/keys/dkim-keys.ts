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

/**
 * Whether what DNS has at a key's name is its record, as verifiers take it, and nothing else: of several they may take any
 * (RFC 6376 section 3.6.2.2).
 */
export function isOnlyRecord(text: string, found: readonly string[] = []): boolean {
  const [only = '', ...others] = found;
  const [own, theirs] = [tagsOf(text), tagsOf(only)];
  if (own === undefined || theirs === undefined || others.length > 0) return false;
  return keyOf(own) === keyOf(theirs) && isInForce(theirs);
}

type Tags = ReadonlyMap<string, string>;

/** White space around what was written by hand means nothing; no name may occur twice, and `v` in front alone (RFC 6376 sections 3.2, 3.6.1). */
function tagsOf(text: string): Tags | undefined {
  const tags = text
    .replace(/;\s*$/, '')
    .split(';')
    .map((tag) => /^\s*([A-Za-z]\w*)\s*=\s*(.*?)\s*$/s.exec(tag));
  const byName = new Map(tags.map((tag) => [tag?.[1] ?? '', tag?.[2] ?? '']));
  const isList = tags.every((tag) => tag !== null) && byName.size === tags.length;
  return isList && !tags.slice(1).some((tag) => tag?.[1] === 'v') ? byName : undefined;
}

/** A key without a type is one of RSA; white space in it means nothing. */
function keyOf(tags: Tags): string {
  return `${tags.get('k') ?? 'rsa'} ${tags.get('p')?.replace(/\s+/g, '')}`;
}

/** Whether verifiers take the key for what it signs here, and do not treat that as unsigned (RFC 6376 section 3.6.1). */
function isInForce(tags: Tags): boolean {
  const list = (name: string, otherwise: string): string[] =>
    (tags.get(name) ?? otherwise).split(':').map((value) => value.trim());
  return (
    (tags.get('v') ?? 'DKIM1') === 'DKIM1' &&
    !list('t', '').includes('y') &&
    list('h', 'sha256').includes('sha256') &&
    list('s', '*').some((service) => service === '*' || service === 'email')
  );
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
