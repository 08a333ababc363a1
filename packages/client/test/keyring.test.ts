import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { validFor } from '../src/keys/find/keyring.ts';
import { startNetwork } from './network.ts';
import { message, type Person, person } from './people.ts';

// The keys are made after this.
const now = Date.now() + 60_000;
const toBob = message({ From: 'alice@a.test', To: 'bob@b.test' });
const haveGpg = spawnSync('gpg', ['--version']).status === 0;

let home: string;
let consents: number;

function gpg(...args: string[]): string {
  const all = ['--batch', '--no-tty', '--homedir', home, '--pinentry-mode', 'loopback', '--passphrase', ''];
  const { status, stdout, stderr } = spawnSync('gpg', [...all, ...args]);
  if (status !== 0) throw new Error(String(stderr));
  return String(stdout);
}

async function author(gnupg: string, consent: boolean): Promise<Person> {
  const network = await startNetwork({ now, mixesPerLayer: 1 });
  const config = network.config('alice@a.test');
  const own = await person(network, 'alice@a.test', now, {
    config: { ...config, keys: { lookup: 'ask', order: ['keyring'], gnupg } },
    consent: async () => {
      consents += 1;
      return consent;
    },
  });
  await own.client.domains.pin(network.zones.get('b.test') ?? '');
  return own;
}

beforeEach(() => {
  // Directly below the temporary folder: the name of the agent's socket has 107 bytes at most.
  home = mkdtempSync(join(tmpdir(), 'gpg-'));
  consents = 0;
});
afterEach(() => {
  spawnSync('gpgconf', ['--homedir', home, '--kill', 'all']);
  rmSync(home, { recursive: true, force: true });
});

describe.skipIf(!haveGpg)('a GnuPG keyring', () => {
  const trust = (level: number): void => {
    const [, fingerprint] = /^fpr:{9}([0-9A-F]{40}):/m.exec(gpg('--with-colons', '--list-keys')) ?? [];
    spawnSync('gpg', ['--homedir', home, '--batch', '--import-ownertrust'], {
      input: `${fingerprint}:${level}:\n`,
    });
  };

  test('what GnuPG does not call valid is offered, and not pinned', { timeout: 20_000 }, async () => {
    gpg('--quick-generate-key', 'Bob <bob@b.test>', 'future-default', 'default', 'never');
    trust(2);
    const alice = await author(home, true);
    expect(await alice.client.send(toBob)).toMatchObject({
      kind: 'refused',
      problems: [{ code: 'unvouched-key', hint: expect.stringContaining('postern keys accept bob@b.test ') }],
    });
    expect(await alice.client.keys.certificate('bob@b.test')).toBeUndefined();
    await alice.client.keys.accept('bob@b.test');
    expect(await alice.client.send(toBob)).toMatchObject({ kind: 'sent' });
  });

  test('what it calls valid is pinned once the person has said yes', { timeout: 20_000 }, async () => {
    gpg('--quick-generate-key', 'Bob <bob@b.test>', 'future-default', 'default', 'never');
    const wary = await author(home, false);
    expect(await wary.client.send(toBob)).toMatchObject({ problems: [{ code: 'no-recipient-key' }] });
    expect(await wary.client.keys.certificate('bob@b.test')).toBeUndefined();
    const alice = await author(home, true);
    expect(await alice.client.send(toBob)).toMatchObject({ recipients: [{ key: { source: 'keyring' } }] });
    expect(consents).toBe(2);
  });
});

test('a keyring that is not there is a mistake of the configuration', async () => {
  const alice = await author(join(home, 'nowhere'), true);
  await expect(alice.client.keys.find('bob@b.test')).rejects.toMatchObject({
    code: 'no-gnupg',
    exitCode: 78,
  });
});

test('so is a machine without gpg', async () => {
  const alice = await author(home, true);
  vi.stubEnv('PATH', home);
  onTestFinished(() => {
    vi.unstubAllEnvs();
  });
  await expect(alice.client.keys.find('bob@b.test')).rejects.toMatchObject({
    code: 'no-gnupg',
    message: expect.stringContaining('no gpg'),
    exitCode: 78,
  });
});

test('only a valid user id of that very mailbox counts', () => {
  const key = (fingerprint: string, ...uids: [string, string][]): string[] => [
    'pub:u:255:22:1:1:::u:::scESC:',
    `fpr:::::::::${fingerprint}:`,
    ...uids.map(([validity, uid]) => `uid:${validity}::::1::H::${uid}::::::::::0:`),
    'sub:u:255:18:1:1::::::e:',
    'fpr:::::::::FFFF:',
  ];
  const listing = [
    ...key('AAAA', ['f', 'Bob <Bob@b.test>']),
    ...key('BBBB', ['u', 'bob@b.test']),
    ...key('CCCC', ['-', 'bob@b.test'], ['u', 'carol@b.test']),
    ...key('DDDD', ['m', 'bob@b.test']),
    ...key('EEEE', ['r', 'bob@b.test'], ['f', 'bob@b.test <eve@b.test>']),
    ...key('ABAB', ['f', 'B\\x3ab <bob@b.test>']),
  ].join('\n');
  expect([...validFor('bob@b.test', listing)]).toEqual(['AAAA', 'BBBB', 'ABAB']);
});
