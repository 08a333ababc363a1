import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { formatZone, makeRecord } from '@postern/protocol/dns';
import { generateDomainKey, loadEnvelopeKey } from '@postern/protocol/envelope';
import { makePrivateDirectory, overwriteAndRemove, writeFileDurable } from '@postern/runtime';
import { readKeyFile, wrongKeyFile } from './files.ts';

/** Years that the domain's record says authors may use its key for. */
const lifeSeconds = 2 * 365 * 86_400;
/** Largest message that an author may send, as the record says. */
const maxBytes = 25_000_000;

/**
 * Makes a domain's OpenPGP key: `domain.key`, and `<domain>.zone` with the records that authors look up or pin.
 * Gives the path of the latter.
 */
export async function createDomainKey(dataDir: string, domain: string, nowSeconds: number): Promise<string> {
  const { secretKey, certificate } = await generateDomainKey(domain);
  await writeFileDurable(join(dataDir, 'domain.key'), secretKey);
  const expires = nowSeconds + lifeSeconds;
  const record = makeRecord({ domain, certificate, tls: 'require', mix: true, maxBytes, expires });
  const zone = formatZone(record);
  const path = join(dataDir, `${domain}.zone`);
  await writeFileDurable(path, zone, { mode: 0o644 });
  return path;
}

/**
 * Makes a new key the domain's and keeps the one before for what is on its way. Gives the path of the zone file, which is to be published
 * once the node has the new key. After a crash the zone file may be the old one, which still opens: rotate again.
 */
export async function rotateDomainKey(dataDir: string, domain: string, nowSeconds: number): Promise<string> {
  const old = await loadDomainKey(dataDir, 'domain.key');
  const kept = join(dataDir, folder);
  await makePrivateDirectory(kept);
  await writeFileDurable(join(kept, `${nowSeconds}.key`), old);
  return createDomainKey(dataDir, domain, nowSeconds);
}

/**
 * The domain's OpenPGP secret keys, binary, the present one first, and those before it for as long as they are kept. Throws
 * `NodeError` `missing-key-file`, `wrong-key-file`.
 */
export async function loadDomainKeys(dataDir: string): Promise<Uint8Array[]> {
  const names = ['domain.key', ...(await retired(dataDir)).map(({ name }) => join(folder, name))];
  return Promise.all(names.map((name) => loadDomainKey(dataDir, name)));
}

/** Overwrites and removes keys that nothing on its way can be for any more; gives how many. */
export async function forgetDomainKeys(dataDir: string, nowSeconds: number): Promise<number> {
  const past = (await retired(dataDir)).filter(({ since }) => since + overlapSeconds <= nowSeconds);
  for (const { name } of past) await overwriteAndRemove(join(dataDir, folder, name));
  return past.length;
}

/** Past keys, each named by when it was replaced. */
const folder = 'domain-keys';
/** Longer than an author's cache (a week at most) and the longest life of a message (a month) together. */
export const overlapSeconds: number = 40 * 86_400;

async function retired(dataDir: string): Promise<{ readonly name: string; readonly since: number }[]> {
  const names = await readdir(join(dataDir, folder)).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  return names.flatMap((name) => {
    const [, since] = /^(\d{1,12})\.key$/.exec(name) ?? [];
    return since === undefined ? [] : [{ name, since: Number(since) }];
  });
}

async function loadDomainKey(dataDir: string, name: string): Promise<Uint8Array> {
  const path = join(dataDir, name);
  const secretKey = await readKeyFile(path);
  try {
    await loadEnvelopeKey(secretKey);
  } catch (cause) {
    throw wrongKeyFile(path, 'OpenPGP secret key of a domain', cause);
  }
  return secretKey;
}
