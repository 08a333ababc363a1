import { execFileSync } from 'node:child_process';
import { chmod, link, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createMessage,
  decrypt,
  encrypt,
  generateKey,
  type PrivateKey,
  readKey,
  readMessage,
  revokeKey,
} from 'openpgp';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Keys, openKeys } from '../src/keys/index.ts';
import { steppedClock } from './clock.ts';
import { folder } from './folder.ts';

const start = Date.UTC(2026, 0, 1);

async function open(
  directory?: string,
  passphrase?: string,
): Promise<{ keys: Keys; directory: string; asked: string[] }> {
  const asked: string[] = [];
  const path = directory ?? join(await folder(), 'keys');
  const keys = openKeys({
    directory: path,
    clock: steppedClock(start),
    ...(passphrase === undefined
      ? {}
      : {
          passphrase: async ({ owner }) => {
            asked.push(owner);
            return passphrase;
          },
        }),
  });
  return { keys, directory: path, asked };
}

/** Somebody else's certificate. */
async function certificateOf(...emails: string[]): Promise<Buffer> {
  const { publicKey } = await generateKey({
    type: 'ecc',
    curve: 'ed25519Legacy',
    userIDs: emails.map((email) => ({ email })),
    date: new Date(start - 1000),
  });
  return Buffer.from(publicKey);
}

async function revoke(key: PrivateKey): Promise<Buffer> {
  const { publicKey } = await revokeKey({ key, date: new Date(start - 1000) });
  return Buffer.from(publicKey);
}

describe('generate', () => {
  test('an own key signs and opens, and its files are for its owner only', async () => {
    const { keys, directory } = await open();
    const info = await keys.generate('alice@a.test', { noPassphrase: true });
    expect(info).toMatchObject({ mailbox: 'alice@a.test', kind: 'own', protected: false });
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    const [name] = await readdir(join(directory, 'secret'));
    expect(name).toBe(`${info.fingerprint}.asc`);
    expect((await stat(join(directory, 'secret', `${name}`))).mode & 0o777).toBe(0o600);

    const signingKey = await keys.signingKey('Alice@A.test');
    const certificate = await keys.certificate('alice@a.test');
    const armored = await encrypt({
      message: await createMessage({ text: 'hello' }),
      ...(certificate === undefined ? {} : { encryptionKeys: certificate }),
      signingKeys: signingKey,
      date: new Date(start),
    });
    const decrypted = await decrypt({
      message: await readMessage({ armoredMessage: armored }),
      decryptionKeys: [...(await keys.decryptionKeys()).keys],
    });
    expect(decrypted.data).toBe('hello');
  });

  test('it is old enough for a clock that is behind', async () => {
    const { keys } = await open();
    const { created } = await keys.generate('alice@a.test', { noPassphrase: true });
    expect(created.getTime()).toBeLessThanOrEqual(start - 3_600_000);
  });

  test('a passphrase is asked for once, and a wrong one opens nothing', async () => {
    const { keys, directory } = await open();
    await keys.generate('alice@a.test', { passphrase: 'hunter2' });
    expect(await keys.list()).toMatchObject([{ protected: true }]);
    await expect(keys.signingKey('alice@a.test')).rejects.toMatchObject({ code: 'wrong-passphrase' });
    await expect((await open(directory, 'hunter3')).keys.decryptionKeys()).rejects.toMatchObject({
      code: 'wrong-passphrase',
    });
    const right = await open(directory, 'hunter2');
    await right.keys.signingKey('alice@a.test');
    await right.keys.decryptionKeys();
    expect(right.asked).toEqual(['<alice@a.test>']);
  });

  test('another key takes its place only when told, and the old one still opens', async () => {
    const { keys } = await open();
    const first = await keys.generate('alice@a.test', { noPassphrase: true });
    await expect(keys.generate('alice@a.test', { noPassphrase: true })).rejects.toMatchObject({
      code: 'key-conflict',
    });
    const second = await keys.generate('alice@a.test', { noPassphrase: true }, { replace: true });
    expect(second.fingerprint).not.toBe(first.fingerprint);
    expect(await keys.list()).toMatchObject([
      { kind: 'own', fingerprint: second.fingerprint },
      { kind: 'retired', fingerprint: first.fingerprint, mailbox: 'alice@a.test' },
    ]);
    expect((await keys.decryptionKeys()).keys).toHaveLength(2);
  });

  test('GnuPG takes the secret key', async (context) => {
    if (!hasGpg()) context.skip('GnuPG is not installed');
    const { keys } = await open();
    const info = await keys.generate('alice@a.test', { noPassphrase: true });
    const home = await folder();
    const gpg = (args: string[], input?: string): string =>
      execFileSync('gpg', ['--homedir', home, '--batch', '--quiet', '--no-autostart', ...args], {
        input,
        encoding: 'utf8',
        stdio: ['pipe', 'pipe', 'pipe'],
      });
    gpg(['--import'], await keys.export('alice@a.test'));
    expect(gpg(['--with-colons', '--list-keys'])).toContain(info.fingerprint);
  });
});

describe('import', () => {
  test('of a secret key that is replaced nothing is left to read', async () => {
    const { keys, directory } = await open();
    const { fingerprint } = await keys.generate('alice@a.test', { noPassphrase: true });
    const unprotected = Buffer.from(await keys.export('alice@a.test', { secret: true }));
    const path = join(directory, 'secret', `${fingerprint}.asc`);
    const witness = join(directory, 'witness');
    await link(path, witness);
    await keys.import(unprotected, {
      replace: true,
      protection: async () => ({ passphrase: 'secret' }),
    });
    expect(await readFile(path, 'utf8')).toContain('PRIVATE KEY');
    expect(await keys.list()).toMatchObject([{ fingerprint, protected: true }]);
    expect(await readFile(witness, 'latin1')).not.toContain('PGP');
  });

  test('a certificate is pinned for its mailbox; the same one again is no conflict, another is refused loudly', async () => {
    const { keys } = await open();
    const bob = await certificateOf('Bob@b.test');
    expect(await keys.import(bob)).toMatchObject([{ mailbox: 'bob@b.test', kind: 'pinned' }]);
    await keys.import(bob);
    const other = await certificateOf('bob@b.test');
    await expect(keys.import(other)).rejects.toMatchObject({
      code: 'key-conflict',
      message: expect.stringContaining('ANOTHER KEY'),
    });
    const pinned = await keys.certificate('bob@b.test');
    expect(pinned?.getFingerprint()).toBe((await readKey({ armoredKey: bob.toString() })).getFingerprint());
    const [replaced] = await keys.import(other, { replace: true });
    expect((await keys.certificate('bob@b.test'))?.getFingerprint().toUpperCase()).toBe(
      replaced?.fingerprint,
    );
  });

  test('a file with one bad key changes nothing', async () => {
    const { keys } = await open();
    await keys.import(await certificateOf('bob@b.test'));
    const both = Buffer.concat([await certificateOf('carol@c.test'), await certificateOf('bob@b.test')]);
    await expect(keys.import(both)).rejects.toMatchObject({ code: 'key-conflict' });
    expect(await keys.list()).toHaveLength(1);
  });

  test('a certificate that claims several mailboxes is pinned for those named alone', async () => {
    const { keys } = await open();
    const claims = await certificateOf('mallory@b.test', 'bob@b.test');
    await expect(keys.import(claims)).rejects.toMatchObject({ code: 'wrong-use' });
    await expect(keys.import(claims, { mailboxes: ['carol@b.test'] })).rejects.toMatchObject({
      code: 'bad-file',
    });
    await keys.import(claims, { mailboxes: ['mallory@b.test'] });
    expect(await keys.certificate('bob@b.test')).toBeUndefined();
  });

  test('a file with two keys for one mailbox is refused, whatever the order', async () => {
    const { keys } = await open();
    const two = [await certificateOf('bob@b.test'), await certificateOf('bob@b.test')];
    for (const file of [two, two.toReversed()])
      await expect(keys.import(Buffer.concat(file), { replace: true })).rejects.toMatchObject({
        code: 'key-conflict',
      });
    expect(await keys.list()).toEqual([]);
    await keys.import(Buffer.concat([two[0] ?? Buffer.of(), two[0] ?? Buffer.of()]));
    expect(await keys.list()).toHaveLength(1);
  });

  test('a revocation reaches the certificate that is pinned, and is not taken for a new one', async () => {
    const { keys } = await open();
    const { privateKey, publicKey } = await generateKey({
      type: 'ecc',
      curve: 'ed25519Legacy',
      userIDs: [{ email: 'bob@b.test' }],
      date: new Date(start - 7_200_000),
      format: 'object',
    });
    const before = Buffer.from(publicKey.armor());
    const revoked = await revoke(privateKey);
    await expect(keys.import(revoked)).rejects.toThrow(/is revoked/);
    await keys.import(before);
    expect(await keys.import(revoked)).toMatchObject([{ mailbox: 'bob@b.test', flaw: 'is revoked' }]);
    expect(await keys.list()).toMatchObject([{ kind: 'pinned', flaw: 'is revoked' }]);
    await keys.import(before);
    expect(await keys.list()).toMatchObject([{ kind: 'pinned', flaw: 'is revoked' }]);
  });

  test('a revocation of an own key reaches its secret key', async () => {
    const { keys, directory } = await open();
    await keys.generate('alice@a.test', { noPassphrase: true });
    await keys.import(await revoke(await keys.signingKey('alice@a.test')));
    expect(await (await open(directory)).keys.list()).toMatchObject([{ kind: 'own', flaw: 'is revoked' }]);
    const key = await keys.signingKey('alice@a.test');
    expect(await key.isRevoked(undefined, undefined, new Date(start))).toBe(true);
  });

  test('what is expired, no key or empty is refused', async () => {
    const { keys } = await open();
    const { publicKey } = await generateKey({
      userIDs: [{ email: 'bob@b.test' }],
      curve: 'ed25519Legacy',
      type: 'ecc',
      date: new Date(start - 100_000),
      keyExpirationTime: 50,
    });
    await expect(keys.import(Buffer.from(publicKey))).rejects.toThrow(/expired on 2025-12-31/);
    for (const junk of [
      '',
      'hello',
      '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n-----END PGP PUBLIC KEY BLOCK-----',
    ]) {
      await expect(keys.import(Buffer.from(junk))).rejects.toMatchObject({ code: 'bad-file' });
    }
    expect(await keys.list()).toEqual([]);
  });

  test('a secret key without a passphrase is kept only as it is said', async () => {
    const first = await open();
    await first.keys.generate('alice@a.test', { noPassphrase: true });
    const secret = Buffer.from(await first.keys.export('alice@a.test', { secret: true }));
    const { keys, directory } = await open();
    await expect(keys.import(secret)).rejects.toMatchObject({ code: 'wrong-passphrase' });
    expect(await keys.list()).toEqual([]);
    expect(await keys.import(secret, { protection: async () => ({ passphrase: 'hunter2' }) })).toMatchObject([
      { kind: 'own', protected: true },
    ]);
    await expect(
      keys.import(secret, { protection: async () => ({ noPassphrase: true }) }),
    ).rejects.toMatchObject({
      code: 'exists',
    });
    await (await open(directory, 'hunter2')).keys.signingKey('alice@a.test');
  });

  test('a secret key that GnuPG exported opens with its passphrase', async (context) => {
    if (!hasGpg()) context.skip('GnuPG is not installed');
    const home = await folder();
    const gpg = (...args: string[]): Buffer =>
      execFileSync(
        'gpg',
        [
          '--homedir',
          home,
          '--batch',
          '--quiet',
          '--pinentry-mode',
          'loopback',
          '--passphrase',
          'hunter2',
          ...args,
        ],
        { stdio: ['ignore', 'pipe', 'ignore'] },
      );
    onTestFinished(() => void execFileSync('gpgconf', ['--homedir', home, '--kill', 'all']));
    // otherwise it finds out how often this machine can hash a passphrase in a tenth of a second, and JavaScript takes seconds for that
    await writeFile(join(home, 'gpg-agent.conf'), 's2k-count 1048576\n');
    gpg('--quick-generate-key', 'Alice <alice@a.test>', 'future-default', 'default', '0');
    const exported = gpg('--armor', '--export-secret-keys', 'alice@a.test');
    const directory = join(await folder(), 'keys');
    // GnuPG dates the key by the machine's clock, so this test lives in the present.
    const keys = openKeys({
      directory,
      clock: steppedClock(Date.now() + 60_000),
      passphrase: async () => 'hunter2',
    });
    expect(await keys.import(exported)).toMatchObject([
      { mailbox: 'alice@a.test', kind: 'own', protected: true },
    ]);
    expect((await keys.signingKey('alice@a.test')).isDecrypted()).toBe(true);
  });
});

describe('files', () => {
  test('a secret key that others may read is not used', async () => {
    const { keys, directory } = await open();
    const { fingerprint } = await keys.generate('alice@a.test', { noPassphrase: true });
    const path = join(directory, 'secret', `${fingerprint}.asc`);
    await chmod(path, 0o640);
    await expect(keys.signingKey('alice@a.test')).rejects.toMatchObject({ code: 'exposed', exitCode: 77 });
    await chmod(path, 0o600);
    await keys.signingKey('alice@a.test');
  });

  test('a change on disk is seen', async () => {
    const { keys, directory } = await open();
    await keys.import(await certificateOf('bob@b.test'));
    const before = await keys.certificate('bob@b.test');
    expect(await keys.certificate('bob@b.test')).toBe(before);
    await writeFile(join(directory, 'certificates', 'bob@b.test.asc'), await certificateOf('bob@b.test'));
    expect((await keys.certificate('bob@b.test'))?.getFingerprint()).not.toBe(before?.getFingerprint());
  });

  test('a mailbox is no path', async () => {
    const { keys, directory } = await open();
    await keys.import(await certificateOf('a/b@b.test'));
    expect(await readdir(join(directory, 'certificates'))).toEqual(['a%2Fb@b.test.asc']);
    expect(await keys.list()).toMatchObject([{ mailbox: 'a/b@b.test' }]);
    await expect(keys.import(await certificateOf('../a@b.test'))).rejects.toMatchObject({ code: 'bad-file' });
  });

  test('removal: a certificate by mailbox, an own key only by fingerprint', async () => {
    const { keys, directory } = await open();
    await keys.import(await certificateOf('bob@b.test'));
    const { fingerprint } = await keys.generate('alice@a.test', { noPassphrase: true });
    await keys.remove('bob@b.test');
    await expect(keys.remove('bob@b.test')).rejects.toMatchObject({ code: 'no-key' });
    await expect(keys.remove('alice@a.test')).rejects.toMatchObject({ code: 'wrong-use' });
    await keys.remove(fingerprint);
    expect(await keys.list()).toEqual([]);
    expect(await readdir(join(directory, 'secret'))).toEqual([]);
  });

  test('a key of two own mailboxes is own for both, and goes from both', async () => {
    const { keys, directory } = await open();
    const { privateKey } = await generateKey({
      type: 'ecc',
      curve: 'ed25519Legacy',
      userIDs: [{ email: 'alice@a.test' }, { email: 'info@a.test' }],
      date: new Date(start - 1000),
    });
    await keys.import(Buffer.from(privateKey), {
      mailboxes: ['alice@a.test', 'info@a.test'],
      protection: async () => ({ noPassphrase: true }),
    });
    expect(await keys.list()).toMatchObject([
      { mailbox: 'alice@a.test', kind: 'own', protected: false },
      { mailbox: 'info@a.test', kind: 'own', protected: false },
    ]);
    for (const mailbox of ['alice@a.test', 'info@a.test']) {
      await expect(keys.remove(mailbox)).rejects.toMatchObject({ code: 'wrong-use' });
    }
    const [{ fingerprint } = { fingerprint: '' }] = await keys.list();
    await keys.remove(fingerprint);
    expect(await keys.list()).toEqual([]);
    expect(await readdir(join(directory, 'certificates'))).toEqual([]);
    expect(await readdir(join(directory, 'secret'))).toEqual([]);
  });

  test('export gives the certificate, and the secret key only when asked', async () => {
    const { keys } = await open();
    const { fingerprint } = await keys.generate('alice@a.test', { passphrase: 'hunter2' });
    expect(await keys.export('alice@a.test')).toContain('BEGIN PGP PUBLIC KEY BLOCK');
    expect(await keys.export(fingerprint)).toContain('BEGIN PGP PUBLIC KEY BLOCK');
    expect(await keys.export('alice@a.test', { secret: true })).toContain('BEGIN PGP PRIVATE KEY BLOCK');
    await expect(keys.export('bob@b.test')).rejects.toMatchObject({ code: 'no-key' });
    await keys.import(await certificateOf('bob@b.test'));
    await expect(keys.export('bob@b.test', { secret: true })).rejects.toMatchObject({ code: 'no-key' });
  });
});

function hasGpg(): boolean {
  try {
    execFileSync('gpg', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

test('secret keys never lie unprotected in the certificates', async () => {
  const { keys, directory } = await open();
  await keys.generate('alice@a.test', { noPassphrase: true });
  const text = await readFile(join(directory, 'certificates', 'alice@a.test.asc'), 'utf8');
  expect(text).not.toContain('PRIVATE');
});
