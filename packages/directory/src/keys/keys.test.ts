import { readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatAuthorityKey } from '@postern/protocol/consensus';
import { systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type Bench, consensusOf, get, issued, openBench, register } from '../testing/authorities.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { keepingLog } from '../testing/log.ts';
import { certify } from './certify.ts';
import { identityPath, readAuthority, readPrivateKey } from './identity.ts';
import { makeKeys } from './make.ts';
import { openSigningKeys, type SigningKeys } from './signing.ts';

const name = 'authority1.test';
const hour = epochSeconds * 1_000;
const day = 24 * hour;
const mixes = ['mix1.test', 'mix2.test', 'mix3.test'];

let bench: Bench;
beforeEach(async () => {
  bench = await openBench();
});
afterEach(() => bench[Symbol.asyncDispose]());

const asked = (): {
  name: string;
  dataDir: string;
  epochSeconds: number;
  now: number;
  random: typeof systemRandom;
} => ({
  name,
  dataDir: bench.folder,
  epochSeconds,
  now: Math.floor(bench.clock.now() / 1_000),
  random: systemRandom,
});
const identity = async (): Promise<Uint8Array> =>
  (await readPrivateKey(identityPath(bench.folder))) ?? new Uint8Array();
const certifyNext = async (days: number): Promise<void> =>
  void (await certify({ ...asked(), days, identity: await identity() }));
const signingFiles = async (): Promise<string[]> => (await readdir(join(bench.folder, 'signing'))).sort();

async function keysOf(): Promise<SigningKeys> {
  const key = await readAuthority(name, bench.folder);
  if (key === undefined) throw new Error('there are no keys');
  return openSigningKeys(key, bench.folder, bench.clock);
}

describe('signing keys', () => {
  test('sign for times that a certificate is for, while it is, and the newest does', async () => {
    await makeKeys({ ...asked(), days: 2 });
    const keys = await keysOf();
    const seconds = start / 1_000;
    const epochStart = 1_000 * epochSeconds;
    const [first] = keys.own();
    expect(first?.certificate).toMatchObject({
      validAfter: epochStart - epochSeconds,
      validUntil: seconds + 2 * 86_400,
    });
    expect(keys.signerFor(epochStart)?.keyId).toBe(first?.key.keyId);
    expect(keys.signerFor(epochStart - epochSeconds - 1)).toBeUndefined();
    expect(keys.signerFor(seconds + 2 * 86_400)).toBeUndefined();

    bench.clock.advance(day);
    await certifyNext(2);
    const second = keys.own().at(-1);
    expect(second?.key.keyId).not.toBe(first?.key.keyId);
    expect(keys.signerFor(bench.clock.now() / 1_000)?.keyId).toBe(second?.key.keyId);
    // what is of a time before the second one's begins is for the first
    expect(keys.signerFor(epochStart)?.keyId).toBe(first?.key.keyId);
    bench.clock.advance(day);
    expect(keys.signerFor(epochStart)).toBeUndefined();
    expect(keys.validUntil()).toBe(seconds + 3 * 86_400);
  });

  test('that are past are destroyed with the next, and their certificates kept', async () => {
    await makeKeys({ ...asked(), days: 1 });
    const [certificate = '', key = ''] = await signingFiles();
    bench.clock.advance(2 * day);
    await certifyNext(1);
    const files = await signingFiles();
    expect(files).toContain(certificate);
    expect(files).not.toContain(key);
    expect(files).toHaveLength(3);
    expect((await keysOf()).own().map(({ signer }) => signer !== undefined)).toEqual([false, true]);
  });

  test('without a certificate, from a command that was cut short, are as if they were not there', async () => {
    await makeKeys({ ...asked(), days: 1 });
    const keys = await keysOf();
    await certifyNext(1);
    const [, second] = keys.own().map(({ key }) => key.keyId.toString(16).padStart(8, '0'));
    await rm(join(bench.folder, 'signing', `${second}.certificate`));
    expect(keys.own()).toHaveLength(1);
    expect(keys.signerFor(start / 1_000)).toBeDefined();
  });

  test('that cannot be read for a time leave those that were, and are found once they can be', async () => {
    const { key } = await makeKeys({ ...asked(), days: 1 });
    const failed = vi.fn<(error: Error) => void>();
    const keys = openSigningKeys(key, bench.folder, bench.clock, { failed, taken() {} });
    const before = await signingFiles();
    await certifyNext(1);
    const added =
      (await signingFiles()).find((file) => file.endsWith('.key') && !before.includes(file)) ?? '';
    const path = join(bench.folder, 'signing', added);
    const privateKey = await readFile(path);
    // as it is while it is overwritten
    await writeFile(path, Buffer.alloc(privateKey.length));
    for (let times = 0; times < 3; times++) expect(keys.own()).toHaveLength(1);
    expect(keys.signerFor(start / 1_000)).toBeDefined();
    expect(failed).toHaveBeenCalledTimes(1);
    await writeFile(path, privateKey);
    expect(keys.own()).toHaveLength(2);
    expect(failed).toHaveBeenCalledTimes(1);
  });

  test('whose private key is missing beside the certificate are told as that, and not as past', async () => {
    const { key } = await makeKeys({ ...asked(), days: 1 });
    const failed = vi.fn<(error: Error) => void>();
    const keys = openSigningKeys(key, bench.folder, bench.clock, { failed, taken() {} });
    const before = await signingFiles();
    await certifyNext(2);
    const added = (await signingFiles()).filter((file) => !before.includes(file));
    const path = (file?: string): string => join(bench.folder, 'signing', file ?? '');
    const missing = added.find((file) => file.endsWith('.key'));
    await rm(path(missing));
    for (let times = 0; times < 3; times++) expect(keys.signerFor(start / 1_000)).toBeDefined();
    expect(failed.mock.calls).toEqual([
      [expect.objectContaining({ message: `${path(missing)} is missing, and its certificate is there` })],
    ]);
    await rm(path(before.find((file) => file.endsWith('.key'))));
    // what runs has them still
    expect(keys.signerFor(start / 1_000)).toBeDefined();
    await expect(keysOf()).rejects.toMatchObject({
      code: 'no-key',
      message: expect.stringMatching(/\.key is missing, and its certificate is there$/),
    });
  });

  test('are made for their own identity alone, and replaced by none', async () => {
    await makeKeys({ ...asked(), days: 1 });
    const before = await signingFiles();
    const other = systemRandom.bytes(64);
    await expect(certify({ ...asked(), days: 1, identity: other })).rejects.toMatchObject({
      code: 'wrong-key',
    });
    await expect(makeKeys(asked())).rejects.toMatchObject({ code: 'already-there' });
    await rm(identityPath(bench.folder));
    await expect(makeKeys(asked())).rejects.toMatchObject({ code: 'already-there' });
    expect(await signingFiles()).toEqual(before);
  });

  test('come back from the identity key alone', async () => {
    const { key } = await makeKeys({ ...asked(), days: 1 });
    const kept = join(bench.folder, 'kept');
    await rename(identityPath(bench.folder), kept);
    await rm(join(bench.folder, 'authority.vkey'));
    await rm(join(bench.folder, 'signing'), { recursive: true });
    await certify({ ...asked(), days: 1, identity: (await readPrivateKey(kept)) ?? new Uint8Array() });
    expect((await readFile(join(bench.folder, 'authority.vkey'), 'utf8')).trim()).toBe(
      formatAuthorityKey(key),
    );
    expect((await keysOf()).signerFor(start / 1_000)).toBeDefined();
  });
});

describe('an authority', () => {
  test('takes the next key while it runs, and all that it ever signed can be verified', async () => {
    const { log, lines: logged } = keepingLog();
    await makeKeys({ ...asked(), days: 1 });
    const authority = await bench.run({}, { log });
    await register(authority, bench.clock.now(), ...mixes);
    const first = await consensusOf(authority, bench.clock.now());
    const parameters = async () => (await get(authority, '/v1/parameters')).text;
    const signedFirst = await parameters();
    expect(await parameters()).toBe(signedFirst);
    expect(logged.map(({ event }) => event)).not.toContain('signing key taken');
    await certifyNext(30);
    expect(await parameters()).not.toBe(signedFirst);
    expect(logged.filter(({ event }) => event === 'signing key taken')).toEqual([
      { level: 'info', event: 'signing key taken', fields: { until: '1970-03-13T16:01:00.000Z' } },
    ]);
    bench.clock.advance(hour);
    await issued(authority, 1_001);
    const second = await consensusOf(authority, bench.clock.now());
    const lines = [first, second].map(({ text }) => text.slice(text.lastIndexOf('\n\n') + 2));
    expect(lines[0]?.slice(0, 30)).not.toBe(lines[1]?.slice(0, 30));
    await authority.close();
    const again = await bench.run();
    expect((await consensusOf(again, bench.clock.now(), '/v1/consensus/1000')).digest).toBe(first.digest);
  });

  test('signs nothing once its key has ended, says so, and goes on with the next', async () => {
    const { log, lines } = keepingLog();
    await makeKeys({ ...asked(), days: 1 });
    const authority = await bench.run({}, { log });
    await register(authority, bench.clock.now(), ...mixes);
    expect(authority.status().signingKey).toEqual({ until: '1970-02-12T16:01:00.000Z', ending: true });
    bench.clock.advance(day);
    await vi.waitFor(() =>
      expect(lines).toContainEqual(expect.objectContaining({ event: 'signing key has ended' })),
    );
    await register(authority, bench.clock.now(), ...mixes);
    expect(authority.status()).toMatchObject({
      consensus: { epoch: 1_000 },
      heldUp: { reason: 'no-signing-key', why: expect.stringContaining('postern-directory certify') },
    });
    const { status, text } = await get(authority, '/v1/parameters');
    expect([status, JSON.parse(text)]).toEqual([
      503,
      { error: 'no-signing-key', message: expect.any(String) },
    ]);
    await certifyNext(30);
    await register(authority, bench.clock.now(), 'mix4.test');
    expect(authority.status()).toMatchObject({ consensus: { epoch: 1_024 }, signingKey: { ending: false } });
    expect((await get(authority, '/v1/parameters')).status).toBe(200);
    expect(authority.metrics()).toContain('postern_directory_signing_key_expires_seconds');
  });

  test('tells its log once a day from a week before its key ends', async () => {
    const { log, lines } = keepingLog();
    await makeKeys({ ...asked(), days: 10 });
    await bench.run({}, { log });
    const told = (): string[] =>
      lines.flatMap(({ event, level }) => (event.startsWith('signing key') ? [level] : []));
    bench.clock.advance(3 * day - 1);
    expect(told()).toEqual([]);
    bench.clock.advance(1);
    await vi.waitFor(() => expect(told()).toEqual(['warn']));
    for (let days = 2; days <= 8; days++) {
      bench.clock.advance(day);
      await vi.waitFor(() => expect(told()).toHaveLength(days));
    }
    expect(told()).toEqual([...Array.from({ length: 7 }, () => 'warn'), 'error']);
  });
});
