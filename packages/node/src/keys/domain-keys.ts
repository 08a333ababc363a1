import { join } from 'node:path';
import { type DomainRecord, formatZone, makeRecord, parseZone } from '@postern/protocol/dns';
import { generateDomainKey, loadEnvelopeKey } from '@postern/protocol/envelope';
import { ExitCode, writeFileDurable } from '@postern/runtime';
import { NodeError } from '../errors.ts';
import { readKeyFile, readPublicFile, wrongKeyFile } from './files.ts';
import { loadBefore, type Unread } from './loaded.ts';
import { readPublished } from './published.ts';
import { addNext, domainRing, promote, readRing, refuseLater } from './ring.ts';

/** What the domain's record says besides its key. */
export type RecordValues = Pick<DomainRecord, 'tls' | 'mix' | 'maxBytes' | 'expires'>;

/** Seconds that a record holds, unless told otherwise. */
export const recordSeconds: number = 2 * 365 * 86_400;
const usual = { tls: 'require', mix: true, maxBytes: 25_000_000 } as const;

/**
 * Makes a domain's OpenPGP key: `domain.key`, and `<domain>.zone` with the records that authors look up or pin.
 * Gives the path of the latter.
 */
export async function createDomainKey(dataDir: string, domain: string, nowSeconds: number): Promise<string> {
  const certificate = await makeKey(dataDir, domain);
  return writeRecord(dataDir, domain, certificate, { ...usual, expires: nowSeconds + recordSeconds });
}

/**
 * Makes a new key the domain's and keeps the one before for what is on its way. Gives the path of the zone file, which is to be
 * published. The key opens envelopes before any record names it; after a crash on the way the same command goes on with the key that it made. Throws `NodeError` `clock-behind`, `missing-key-file`, `wrong-key-file`.
 */
export async function rotateDomainKey(dataDir: string, domain: string, nowSeconds: number): Promise<string> {
  const { next, current } = await readRing(dataDir, domainRing);
  refuseLater(current, nowSeconds);
  const made = next ?? (await addNext(dataDir, domainRing, nowSeconds, (dir) => makeKey(dir, domain)));
  const { tls, mix, maxBytes } = await readRecord(dataDir, domain);
  const certificate = await certificateIn(made.dir);
  const values = { tls, mix, maxBytes, expires: nowSeconds + recordSeconds };
  const path = await writeRecord(dataDir, domain, certificate, values);
  await promote(dataDir, domainRing, made, nowSeconds);
  return path;
}

/**
 * Refuses another key while the present one replaces one that DNS may still name: whoever wrote would have three to tell apart. `asksDns`:
 * whether the node looks. Throws `NodeError` `rotation-under-way`.
 */
export async function refuseUnpublished(dataDir: string, asksDns: boolean): Promise<void> {
  const { next, current, previous } = await readRing(dataDir, domainRing);
  // One that a crash cut short is gone on with.
  if (next !== undefined || previous.length === 0) return;
  if ((await readPublished(current.dir)) !== undefined) return;
  throw new NodeError('rotation-under-way', 'the domain’s present key is not known to be in DNS yet', {
    exitCode: ExitCode.usage,
    hint: `Publish it first, as postern-node dns zone prints it: ${asksDns ? seen : unseen} --again`,
  });
}

const seen =
  'the node asks DNS for it each hour, and postern-node status says when it is there. For yet another key all the same:';
const unseen =
  'the configuration has nobody asked, so the node never learns that it is there. Name a resolver in the section [dns] and start the node anew, or, once DNS has it everywhere:';

/** The certificates of the keys before the present one that are kept still, binary, the last one first. */
export async function certificatesBefore(
  dataDir: string,
): Promise<{ readonly certificates: readonly Uint8Array[]; readonly unread: readonly Unread[] }> {
  const { previous } = await readRing(dataDir, domainRing);
  const { keys, unread } = await loadBefore(previous, async (one) => ({
    ...one,
    value: await certificateIn(one.dir),
  }));
  return { certificates: keys.map(({ value }) => value), unread };
}

async function certificateIn(dir: string): Promise<Uint8Array> {
  const { privateKey } = await loadEnvelopeKey(await loadDomainKey(dir));
  return privateKey.toPublic().write();
}

/** Writes the record of the same key anew, with other values. Gives the path of the zone file. */
export async function renewRecord(
  dataDir: string,
  domain: string,
  values: Partial<RecordValues> & Pick<RecordValues, 'expires'>,
): Promise<string> {
  const { tls, mix, maxBytes, certificate } = await readRecord(dataDir, domain);
  return writeRecord(dataDir, domain, certificate, { tls, mix, maxBytes, ...values });
}

/** OpenPGP, binary. Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function loadDomainKey(dir: string): Promise<Uint8Array> {
  const path = join(dir, 'domain.key');
  const secretKey = await readKeyFile(path);
  try {
    await loadEnvelopeKey(secretKey);
  } catch (cause) {
    throw wrongKeyFile(path, 'OpenPGP secret key of a domain', cause);
  }
  return secretKey;
}

/** Gives its certificate. */
async function makeKey(dir: string, domain: string): Promise<Uint8Array> {
  const { secretKey, certificate } = await generateDomainKey(domain);
  await writeFileDurable(join(dir, 'domain.key'), secretKey);
  return certificate;
}

/** What `<domain>.zone` says, expired or not. Throws `NodeError` `missing-key-file`, `wrong-key-file`. */
export async function readRecord(dataDir: string, domain: string): Promise<DomainRecord> {
  const path = zonePath(dataDir, domain);
  // As of 1970: one that has expired still says what it said.
  const parsed = parseZone(Buffer.from(await readPublicFile(path)).toString('utf8'), 0);
  if (parsed.kind === 'refused') throw wrongKeyFile(path, 'records of a domain');
  return parsed.record;
}

async function writeRecord(
  dataDir: string,
  domain: string,
  certificate: Uint8Array,
  values: RecordValues,
): Promise<string> {
  const path = zonePath(dataDir, domain);
  await writeFileDurable(path, formatZone(makeRecord({ domain, certificate, ...values })), { mode: 0o644 });
  return path;
}

function zonePath(dataDir: string, domain: string): string {
  return join(dataDir, `${domain}.zone`);
}
