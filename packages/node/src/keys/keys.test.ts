import { createPrivateKey, createPublicKey, X509Certificate } from 'node:crypto';
import {
  chmod,
  copyFile,
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeBase64, encodeBase64 } from '@postern/protocol/codec';
import { verifyNodeCertificate } from '@postern/protocol/consensus';
import { parseZone } from '@postern/protocol/dns';
import { loadEnvelopeKey } from '@postern/protocol/envelope';
import { ed25519, loadXWing } from '@postern/protocol/primitives';
import { systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createCertificate, loadCertificate } from './certificate.ts';
import { createDomainKey, loadDomainKey } from './domain-keys.ts';
import { createIdentity, identityOf, identityPath, readIdentity } from './identity.ts';
import { bindMixKeys, turnMixKeys } from './mix-keys.ts';
import { certify, isEnding, loadSigningKey } from './signing.ts';

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'postern-keys-'));
});
afterEach(() => rm(folder, { recursive: true }));

const modeOf = async (...path: string[]): Promise<number> => (await stat(join(folder, ...path))).mode & 0o777;

const now = 1_700_000_000;
/** Makes the keys of a node; gives the seed of the identity key. */
async function makeKeys(): Promise<Uint8Array> {
  const identity = await createIdentity(folder, systemRandom);
  await certify({ dataDir: folder, identity, now, days: 30, random: systemRandom });
  return identity;
}
const signingPath = (): string => join(folder, 'signing.key');

test('an identity is read as it was made, by its owner only', async () => {
  const made = await createIdentity(folder, systemRandom);
  expect(await readIdentity(identityPath(folder))).toEqual(made);
  expect(await modeOf('identity.key')).toBe(0o600);
  await writeFile(identityPath(folder), 'AAAA\n');
  await expect(readIdentity(identityPath(folder))).rejects.toMatchObject({
    code: 'wrong-key-file',
    exitCode: 78,
  });
});

test('a signing key is read as it was made, by its owner only, and needs no identity key beside it', async () => {
  const identity = await makeKeys();
  await rm(identityPath(folder));
  const keys = await loadSigningKey(folder);
  expect(await modeOf('signing.key')).toBe(0o600);
  expect(keys).toMatchObject({ ...identityOf(ed25519.publicKey(identity)), validUntil: now + 30 * 86_400 });
  expect(verifyNodeCertificate(keys.certificate)).toMatchObject({
    kind: 'certificate',
    id: keys.id,
    certificate: { signingKey: encodeBase64(ed25519.publicKey(keys.seed)), validAfter: now },
  });
  expect([0, 1].map((day) => isEnding(keys, now + day * 86_400))).toEqual([true, true]);
  expect(isEnding(keys, now - 1)).toBe(false);
});

test('the next signing key is another one of the same node, and leaves nothing of the one before', async () => {
  const identity = await makeKeys();
  const before = await loadSigningKey(folder);
  const blocks = join(folder, 'blocks');
  await link(signingPath(), blocks);
  const next = await certify({ dataDir: folder, identity, now: now + 60, days: 366, random: systemRandom });
  expect(next).toEqual(await loadSigningKey(folder));
  expect(next.id).toBe(before.id);
  expect(next.signingKey).not.toEqual(before.signingKey);
  const left = await readFile(blocks);
  expect(
    [Buffer.from(before.seed).toString('base64'), before.certificate].filter((of) => left.includes(of)),
  ).toEqual([]);
});

test.each<[string, (text: string) => string]>([
  ['without its certificate', (text) => text.slice(0, 45)],
  ['with another seed', (text) => `${'A'.repeat(43)}=${text.slice(44)}`],
  ['with a certificate that does not hold', (text) => text.replace('"validAfter":1', '"validAfter":2')],
  ['with something behind it', (text) => `${text}x`],
])('a signing key %s is not taken', async (_, change) => {
  await makeKeys();
  await writeFile(signingPath(), change(await readFile(signingPath(), 'utf8')));
  await expect(loadSigningKey(folder)).rejects.toMatchObject({ code: 'wrong-key-file', exitCode: 78 });
});

test('a signing key that is missing is asked for', async () => {
  await expect(loadSigningKey(folder)).rejects.toMatchObject({
    code: 'missing-key-file',
    hint: expect.any(String),
  });
});

test('a key that is there and cannot be read asks for no new one', async () => {
  const path = signingPath();
  await makeKeys();
  await chmod(path, 0o000);
  const asSomebody = process.geteuid?.() === 0;
  if (asSomebody) process.seteuid?.(65_534);
  const refused = await loadSigningKey(folder).catch((error: unknown) => error);
  if (asSomebody) process.seteuid?.(0);
  expect(refused).toMatchObject({
    code: 'key-file-io',
    exitCode: 77,
    message: `${path} cannot be read: you may not read it`,
    hint: expect.stringMatching(`: chown \\d+ ${path}$`),
  });
  await rm(path);
  await mkdir(path);
  await expect(loadSigningKey(folder)).rejects.toMatchObject({ code: 'key-file-io', exitCode: 75 });
});

test.each([0o640, 0o604, 0o620])('a key with the mode %o is not taken', async (mode) => {
  const path = signingPath();
  await makeKeys();
  await chmod(path, mode);
  await expect(loadSigningKey(folder)).rejects.toMatchObject({
    code: 'exposed',
    exitCode: 77,
    hint: `Close it with: chmod 600 ${path}`,
  });
  await chmod(path, 0o400);
  await loadSigningKey(folder);
});

test('a certificate is for its name and its key, and pinned by it', async () => {
  const made = await createCertificate(folder, 'mix1.test', systemRandom);
  expect(await loadCertificate(folder)).toEqual({
    ...made,
    key: expect.any(String),
    cert: expect.any(String),
  });
  const certificate = new X509Certificate(await readFile(join(folder, 'tls.crt')));
  const key = createPrivateKey(await readFile(join(folder, 'tls.key')));
  expect(certificate.checkHost('mix1.test')).toBe('mix1.test');
  expect(certificate.checkPrivateKey(key)).toBe(true);
  expect(certificate.verify(createPublicKey(key))).toBe(true);
  expect(certificate.validToDate.getUTCFullYear()).toBe(9999);
  expect(await modeOf('tls.key')).toBe(0o600);
  await mkdir(join(folder, 'other'));
  await createCertificate(join(folder, 'other'), 'mix1.test', systemRandom);
  await copyFile(join(folder, 'other', 'tls.key'), join(folder, 'tls.key'));
  await expect(loadCertificate(folder)).rejects.toMatchObject({ code: 'wrong-key-file' });
  await writeFile(join(folder, 'tls.crt'), 'nothing');
  await expect(loadCertificate(folder)).rejects.toMatchObject({ code: 'wrong-key-file' });
});

test('a domain has a key that opens envelopes and records that authors can pin', async () => {
  const now = Date.UTC(2030, 0) / 1_000;
  const path = await createDomainKey(folder, 'b.test', now);
  await loadEnvelopeKey(await loadDomainKey(folder));
  const zone = parseZone(await readFile(path, 'utf8'), now);
  expect(zone).toMatchObject({ kind: 'record', record: { domain: 'b.test', tls: 'require', mix: true } });
  expect(await modeOf('domain.key')).toBe(0o600);
  const whole = await readFile(join(folder, 'domain.key'));
  for (const damaged of [Buffer.alloc(0), whole.subarray(0, whole.length / 2), Buffer.from('AAAA')]) {
    await writeFile(join(folder, 'domain.key'), damaged);
    await expect(loadDomainKey(folder)).rejects.toMatchObject({ code: 'wrong-key-file', exitCode: 78 });
  }
});

describe('mix keys', () => {
  const epochs = async (): Promise<number[]> =>
    (await readdir(join(folder, 'mix-keys')))
      .filter((name) => name !== 'spool.id')
      .map((name) => Number.parseInt(name, 10))
      .sort((a, b) => a - b);

  test('are made for this epoch and the next two, and stay what they are', async () => {
    const first = await turnMixKeys(folder, 100, systemRandom);
    expect(first.seeds.map(({ epoch }) => epoch)).toEqual([100, 101, 102]);
    expect(first.published.map(({ epoch }) => epoch)).toEqual([100, 101, 102]);
    const again = await turnMixKeys(folder, 101, systemRandom);
    expect(again.seeds.slice(0, 3)).toEqual(first.seeds);
    expect(again.published.map(({ epoch }) => epoch)).toEqual([101, 102, 103]);
    for (const { epoch, key } of again.published) {
      const seed = again.seeds.find((one) => one.epoch === epoch)?.seed ?? new Uint8Array();
      expect(decodeBase64(key)).toEqual(loadXWing(seed).publicKey);
    }
    expect(await modeOf('mix-keys', '100.key')).toBe(0o600);
  });

  test('past ones are gone from the disk, and no other leads to them', async () => {
    const { seeds } = await turnMixKeys(folder, 100, systemRandom);
    const { firstEpoch } = await turnMixKeys(folder, 105, systemRandom);
    expect(firstEpoch).toBe(102);
    expect(await epochs()).toEqual([102, 105, 106, 107]);
    const left = await Promise.all(
      (await readdir(join(folder, 'mix-keys'))).map((name) => readFile(join(folder, 'mix-keys', name))),
    );
    for (const { epoch, seed } of seeds) {
      expect(left.some((file) => file.equals(Buffer.from(seed)))).toBe(epoch >= firstEpoch);
    }
  });

  test('a clock that was set back costs no key', async () => {
    const { seeds } = await turnMixKeys(folder, 200, systemRandom);
    const back = await turnMixKeys(folder, 176, systemRandom);
    expect(back.seeds.map(({ epoch }) => epoch)).toEqual([176, 177, 178, 200, 201, 202]);
    const again = await turnMixKeys(folder, 200, systemRandom);
    expect(again.seeds).toEqual(seeds);
  });

  test('stay with the spool that has their replay tags, and are gone with any other', async () => {
    expect(await bindMixKeys(folder, 'aa')).toBe(0);
    const { seeds } = await turnMixKeys(folder, 100, systemRandom);
    expect(await bindMixKeys(folder, 'aa')).toBe(0);
    expect((await turnMixKeys(folder, 100, systemRandom)).seeds).toEqual(seeds);

    expect(await bindMixKeys(folder, 'bb')).toBe(3);
    expect(await epochs()).toEqual([]);
    const anew = await turnMixKeys(folder, 100, systemRandom);
    for (const { seed } of anew.seeds)
      expect(seeds.some((old) => Buffer.compare(old.seed, seed) === 0)).toBe(false);
    expect(await bindMixKeys(folder, 'bb')).toBe(0);

    await rm(join(folder, 'mix-keys', 'spool.id'));
    expect(await bindMixKeys(folder, 'bb')).toBe(3);
  });

  test('a bond that cannot be read destroys nothing', async () => {
    await bindMixKeys(folder, 'aa');
    const { seeds } = await turnMixKeys(folder, 100, systemRandom);
    const bond = join(folder, 'mix-keys', 'spool.id');
    await rm(bond);
    await mkdir(bond);
    await expect(bindMixKeys(folder, 'aa')).rejects.toMatchObject({
      code: 'key-file-io',
      exitCode: 75,
      cause: { code: 'EISDIR' },
      hint: expect.stringContaining('Nothing was destroyed'),
    });
    await rm(bond, { recursive: true });
    await writeFile(bond, 'aa\n');
    expect(await bindMixKeys(folder, 'aa')).toBe(0);
    expect((await turnMixKeys(folder, 100, systemRandom)).seeds).toEqual(seeds);
  });

  test('what a crash left half-written goes too, and a damaged key is reported', async () => {
    await turnMixKeys(folder, 100, systemRandom);
    await writeFile(join(folder, 'mix-keys', '.103.key.0011'), Buffer.alloc(32, 7));
    await turnMixKeys(folder, 100, systemRandom);
    expect(await readdir(join(folder, 'mix-keys'))).toHaveLength(3);
    await writeFile(join(folder, 'mix-keys', '101.key'), 'short');
    await expect(turnMixKeys(folder, 100, systemRandom)).rejects.toMatchObject({ code: 'wrong-key-file' });
  });
});
