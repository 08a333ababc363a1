import { seal } from '@postern/protocol/sealed';
import { createMessage, encrypt, generateKey, type PrivateKey, type PublicKey, revokeKey } from 'openpgp';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Client, createClient, pathsUnder } from '../src/index.ts';
import { startNetwork } from './network.ts';
import { introduce, message, type Person, person } from './people.ts';

const now = Date.UTC(2026, 0, 1, 12, 34, 56);

async function pair(): Promise<{ alice: Person; bob: Person }> {
  const network = await startNetwork({ now, mixesPerLayer: 1 });
  const alice = await person(network, 'alice@a.test', now);
  const bob = await person(network, 'bob@b.test', now);
  await introduce(network, alice, bob);
  return { alice, bob };
}

async function sealedFor(reader: Person, signingKey: PrivateKey, from: string): Promise<Uint8Array> {
  const certificate = await reader.client.keys.certificate(reader.mailbox);
  if (certificate === undefined) throw new Error('no certificate');
  const outer = { from: 'secure@b.test', to: reader.mailbox, date: new Date(now), messageId: '<x@b.test>' };
  return seal(message({ From: from, To: reader.mailbox }), {
    signingKey,
    certificate,
    outer,
    now: new Date(now),
  });
}

describe('who wrote it', () => {
  test('the pinned key of the mailbox in From vouches', async () => {
    const { alice, bob } = await pair();
    const sealed = await sealedFor(
      bob,
      await alice.client.keys.signingKey('alice@a.test'),
      'Alice <alice@a.test>',
    );
    expect(await bob.client.open(sealed)).toMatchObject({
      from: 'alice@a.test',
      vouched: true,
      verdict: { kind: 'good', fingerprint: (await alice.client.keys.list())[0]?.fingerprint },
    });
  });

  test('a good signature by somebody else’s key does not', async () => {
    const { alice, bob } = await pair();
    const sealed = await sealedFor(bob, await alice.client.keys.signingKey('alice@a.test'), 'boss@a.test');
    expect(await bob.client.open(sealed)).toMatchObject({
      from: 'boss@a.test',
      vouched: false,
      verdict: { kind: 'good' },
    });
  });

  test('nor does a key that only claims the mailbox in a user id', async () => {
    const { bob } = await pair();
    const { privateKey, publicKey } = await generateKey({
      type: 'ecc',
      curve: 'ed25519Legacy',
      userIDs: [{ email: 'mallory@a.test' }, { email: 'alice@a.test' }],
      date: new Date(now - 1000),
      format: 'object',
    });
    await bob.client.keys.import(Buffer.from(publicKey.armor()), { mailboxes: ['mallory@a.test'] });
    const sealed = await sealedFor(bob, privateKey, 'alice@a.test');
    expect(await bob.client.open(sealed)).toMatchObject({ vouched: false, verdict: { kind: 'good' } });
  });

  test('nor when From names two', async () => {
    const { alice, bob } = await pair();
    const signingKey = await alice.client.keys.signingKey('alice@a.test');
    const sealed = await sealedFor(bob, signingKey, 'alice@a.test, boss@a.test');
    expect(await bob.client.open(sealed)).toMatchObject({ vouched: false });
  });

  test('nor does a key that its owner revoked', async () => {
    const { alice, bob } = await pair();
    const key = await alice.client.keys.signingKey('alice@a.test');
    const sealed = await sealedFor(bob, key, 'alice@a.test');
    const { publicKey } = await revokeKey({ key, date: new Date(now - 1000) });
    await bob.client.keys.import(Buffer.from(publicKey));
    expect(await bob.client.open(sealed)).toMatchObject({
      vouched: false,
      verdict: { kind: 'bad', why: 'unusable-key' },
    });
  });

  test('nor a signature of the body alone, under a header that anybody could have put there', async () => {
    const { alice, bob } = await pair();
    const certificate = await bob.client.keys.certificate('bob@b.test');
    if (certificate === undefined) throw new Error('no certificate');
    const armored = await encrypt({
      message: await createMessage({ text: 'Content-Type: text/plain\r\n\r\nyes\r\n' }),
      encryptionKeys: certificate,
      signingKeys: await alice.client.keys.signingKey('alice@a.test'),
      date: new Date(now),
    });
    const opened = await bob.client.open(
      pgpMime('From: alice@a.test\r\nSubject: Shall I pay Mallory?\r\n', armored),
    );
    expect(opened).toMatchObject({
      kind: 'opened',
      from: 'alice@a.test',
      vouched: false,
      verdict: { kind: 'good' },
      protection: 'none',
    });
  });

  test('a key that is not here is unknown', async () => {
    const { alice, bob } = await pair();
    await bob.client.keys.remove('alice@a.test');
    const sealed = await sealedFor(bob, await alice.client.keys.signingKey('alice@a.test'), 'alice@a.test');
    expect(await bob.client.open(sealed)).toMatchObject({
      vouched: false,
      verdict: { kind: 'unknown-key', keyId: expect.stringMatching(/^[0-9A-F]{16}$/) },
    });
  });

  test('what nobody signed is told', async () => {
    const { bob } = await pair();
    const certificate = await bob.client.keys.certificate('bob@b.test');
    const armored = await encrypt({
      message: await createMessage({ text: 'Content-Type: text/plain\r\n\r\nhi\r\n' }),
      ...(certificate === undefined ? {} : { encryptionKeys: certificate }),
      date: new Date(now),
    });
    const opened = await bob.client.open(pgpMime('From: alice@a.test\r\nSubject: hi\r\n', armored));
    expect(opened).toMatchObject({
      kind: 'opened',
      from: 'alice@a.test',
      vouched: false,
      verdict: { kind: 'unsigned' },
      protection: 'none',
    });
  });
});

test('what is not for the reader, altered or no sealed message is refused', async () => {
  const { alice, bob } = await pair();
  const signingKey = await alice.client.keys.signingKey('alice@a.test');
  const sealed = Buffer.from(await sealedFor(alice, signingKey, 'alice@a.test'));
  expect(await bob.client.open(sealed)).toMatchObject({ kind: 'refused' });
  const forBob = Buffer.from(await sealedFor(bob, signingKey, 'alice@a.test')).toString('latin1');
  const middle = Math.floor(forBob.length / 2);
  const altered = forBob.slice(0, middle) + (forBob[middle] === 'A' ? 'B' : 'A') + forBob.slice(middle + 1);
  expect(await bob.client.open(Buffer.from(altered, 'latin1'))).toMatchObject({ kind: 'refused' });
  expect(await bob.client.open(Buffer.from('From: a@b.test\r\n\r\nhello\r\n'))).toMatchObject({
    kind: 'refused',
  });
});

test('a key that was replaced still opens what was sealed to it', async () => {
  const { alice, bob } = await pair();
  const signingKey = await alice.client.keys.signingKey('alice@a.test');
  const sealed = await sealedFor(bob, signingKey, 'alice@a.test');
  const old = (await bob.client.keys.list()).find(({ kind }) => kind === 'own');
  await bob.client.keys.generate('bob@b.test', { noPassphrase: true }, { replace: true });
  expect(await bob.client.open(sealed)).toMatchObject({ kind: 'opened', vouched: true });
  await bob.client.keys.remove(old?.fingerprint ?? '');
  expect(await bob.client.open(sealed)).toMatchObject({ kind: 'refused' });
});

describe('a key replaced by one with another passphrase', () => {
  async function replaced(): Promise<{ reader: Client; old: PublicKey; recent: PublicKey }> {
    const network = await startNetwork({ now, mixesPerLayer: 1 });
    const bob = await person(network, 'bob@b.test', now);
    const { keys } = bob.client;
    const made: PublicKey[] = [];
    for (const passphrase of ['before', 'after']) {
      await keys.generate('bob@b.test', { passphrase }, { replace: true });
      const certificate = await keys.certificate('bob@b.test');
      if (certificate !== undefined) made.push(certificate);
    }
    const [first] = (await keys.list()).filter((key) => key.protected === false);
    await keys.remove(first?.fingerprint ?? '');
    const [old, recent] = made;
    if (old === undefined || recent === undefined) throw new Error('no certificates');
    // As from a descriptor, which can be read once.
    const answers = ['after'];
    const reader = createClient({
      paths: pathsUnder(bob.home),
      config: network.config('bob@b.test'),
      clock: bob.clock,
      passphrase: async () => answers.shift() ?? '',
    });
    onTestFinished(() => reader[Symbol.asyncDispose]());
    return { reader, old, recent };
  }

  async function to(key: PublicKey, wildcard: boolean): Promise<Uint8Array> {
    const armored = await encrypt({
      message: await createMessage({ text: 'Content-Type: text/plain\r\n\r\nhi\r\n' }),
      encryptionKeys: key,
      wildcard,
      date: new Date(now),
    });
    return pgpMime('From: alice@a.test\r\n', armored);
  }

  test('opens mail with the passphrase of the key that it is for, named or hidden', async () => {
    const { reader, recent } = await replaced();
    expect(await reader.open(await to(recent, false))).toMatchObject({ kind: 'opened' });
    expect(await reader.open(await to(recent, true))).toMatchObject({ kind: 'opened' });
  });

  test('says that the passphrase is wrong when the message is for the other', async () => {
    const { reader, recent, old } = await replaced();
    await reader.open(await to(recent, false));
    for (const wildcard of [false, true])
      await expect(reader.open(await to(old, wildcard))).rejects.toMatchObject({ code: 'wrong-passphrase' });
  });
});

function pgpMime(header: string, armored: string): Uint8Array {
  return Buffer.from(
    `${header}MIME-Version: 1.0\r\nContent-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b\r\n\r\n` +
      '--b\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n' +
      `--b\r\nContent-Type: application/octet-stream\r\n\r\n${armored.replace(/\r?\n/g, '\r\n')}\r\n--b--\r\n`,
  );
}
