import {
  decodeFragment,
  fragmentCapacity,
  generateDomainKey,
  loadEnvelopeKey,
  openEnvelope,
  sealEnvelope,
  split,
} from '@postern/protocol/envelope';
import { type Opened, open, seal } from '@postern/protocol/sealed';
import { type Key, readKey, readPrivateKey } from 'openpgp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type GnuPg, haveGnuPg, startGnuPg } from './gnupg.ts';
import { letter, type Person, payloadOf, person } from './sealed.sample.ts';

const outer = {
  from: 'secure@b.test',
  to: 'bob@b.test',
  date: new Date('2026-11-23T21:59:59Z'),
  messageId: '<0123456789abcdef@b.test>',
};
const shown = [
  'From: secure@b.test',
  'To: bob@b.test',
  'Date: Mon, 23 Nov 2026 21:00:00 +0000',
  'Message-ID: <0123456789abcdef@b.test>',
];

describe.skipIf(!haveGnuPg)('GnuPG 2.2 reads a sealed message', () => {
  let gpg: GnuPg;
  let alice: Person;
  let bob: Person;
  let sealed: Uint8Array;

  beforeAll(async () => {
    gpg = startGnuPg();
    [alice, bob] = await Promise.all([person('alice@a.test'), person('bob@b.test')]);
    gpg.run(['--import'], bob.privateKey.write());
    gpg.run(['--import'], alice.publicKey.write());
    sealed = await seal(letter, { signingKey: alice.privateKey, certificate: bob.publicKey, outer });
  });
  afterAll(() => gpg[Symbol.dispose]());

  test('piped in as it lies in a Maildir: the very MIME, and a good signature', () => {
    const delivered = Buffer.concat([Buffer.from('Return-Path: <>\r\nDelivered-To: bob@b.test\r\n'), sealed]);
    for (const file of [delivered, Buffer.from(delivered.toString().replaceAll('\r\n', '\n'))]) {
      const { code, stdout, stderr } = gpg.run(['--status-fd', '2', '--decrypt'], file);
      expect(stderr).toMatch(/^\[GNUPG:\] DECRYPTION_OKAY$/m);
      expect(stderr).toMatch(/^\[GNUPG:\] GOODMDC$/m);
      expect(stderr).toMatch(/^\[GNUPG:\] GOODSIG [0-9A-F]{16} .*<alice@a\.test>$/m);
      expect(stderr.toLowerCase()).toContain(`validsig ${alice.publicKey.getFingerprint()}`);
      expect(stderr).not.toMatch(/WARNING: (?!.*trust)/);
      expect(code).toBe(0);
      expect(stdout.equals(payloadOf(letter, shown))).toBe(true);
    }
  });

  test.each([0, 1, 2])('however its armor ends: with %i letters more', async (more) => {
    const message = Buffer.concat([letter, Buffer.alloc(more, 'x')]);
    const sealed = await seal(message, { signingKey: alice.privateKey, certificate: bob.publicKey, outer });
    const { code, stdout, stderr } = gpg.run(['--decrypt'], sealed);
    expect(stderr).not.toMatch(/radix64|no valid OpenPGP data/);
    expect(code).toBe(0);
    expect(stdout.equals(payloadOf(message, shown))).toBe(true);
  });

  test('and lists no packet that tells of the author', () => {
    const listed = gpg.run(['--list-only', '--list-packets'], sealed).stdout.toString();
    const subkey = bob.publicKey.subkeys[0]?.getKeyID().toHex().toUpperCase();
    expect([...listed.matchAll(/keyid ([0-9A-F]{16})/g)].map(([, id]) => id)).toEqual([subkey]);
    expect(listed).not.toMatch(/signature packet/);
    const opened = gpg.run(['--list-packets'], sealed).stdout.toString();
    expect(opened).toMatch(/:literal data packet:\n\tmode b \(62\), created 0, name="",/);
    expect(opened).toContain(`keyid ${alice.publicKey.getKeyID().toHex().toUpperCase()}`);
    expect(opened).not.toMatch(/compressed packet/);
  });

  test('and refuses it with one byte changed', () => {
    const text = Buffer.from(sealed).toString('latin1');
    const at = text.lastIndexOf('\r\n-----END') - 80;
    const changed = `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;
    const { code, stderr } = gpg.run(['--status-fd', '2', '--decrypt'], changed);
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/^\[GNUPG:\] (?:BADMDC|BADSIG|DECRYPTION_FAILED)\b/m);
  });
});

describe.skipIf(!haveGnuPg)('from GnuPG 2.2 comes PGP/MIME that opens', () => {
  let gpg: GnuPg;
  let carol: { fingerprint: string; certificate: Key };
  let bob: Person;
  const entity = 'Subject: from carol\nContent-Type: text/plain; charset=utf-8\n\nhällo\n.\nbye\n';

  beforeAll(async () => {
    gpg = startGnuPg();
    bob = await person('bob@b.test');
    gpg.run(['--import'], bob.publicKey.write());
    const fingerprint = gpg.makeKey('Carol <carol@c.test>');
    const { stdout } = gpg.run(['--export', fingerprint]);
    carol = { fingerprint, certificate: await readKey({ binaryKey: new Uint8Array(stdout) }) };
  });
  afterAll(() => gpg[Symbol.dispose]());

  /** Mail as a program that knows no header protection makes it. */
  const mail = (...args: string[]): Uint8Array => {
    const { code, stdout, stderr } = gpg.run(['--armor', '--recipient', 'bob@b.test', ...args], entity);
    if (code !== 0) throw new Error(stderr);
    return Buffer.from(
      [
        'From: Carol <carol@c.test>',
        'To: bob@b.test',
        'Subject: ...',
        'MIME-Version: 1.0',
        'Content-Type: multipart/encrypted; boundary="x y";',
        ' protocol="application/pgp-encrypted"',
        '',
        'This is an OpenPGP/MIME encrypted message (RFC 4880 and 3156)',
        '--x y',
        'Content-Type: application/pgp-encrypted',
        'Content-Description: PGP/MIME version identification',
        '',
        'Version: 1',
        '',
        '--x y',
        'Content-Type: application/octet-stream; name="encrypted.asc"',
        'Content-Disposition: inline; filename="encrypted.asc"',
        '',
        stdout.toString(),
        '--x y--',
        '',
      ].join('\n'),
    );
  };
  const opened = (bytes: Uint8Array, date = new Date()): Promise<Opened> =>
    open(bytes, { decryptionKeys: [bob.privateKey], verificationKeys: [carol.certificate], date });
  const signed = (...args: string[]): Uint8Array =>
    mail('--local-user', 'carol@c.test', '--sign', '--encrypt', ...args);

  test.each([
    ['as GnuPG does by itself', []],
    ['compressed as ZIP', ['--compress-algo', 'zip']],
    ['compressed as ZLIB', ['--compress-algo', 'zlib']],
    ['not compressed', ['--compress-algo', 'none']],
    ['as text', ['--textmode']],
    ['with a hidden key id', ['--throw-keyids']],
    ['under AES-128', ['--cipher-algo', 'aes128']],
    ['with a comment in the armor', ['--comment', 'hello: there', '--emit-version']],
  ])('%s', async (_what, args) => {
    expect(await opened(signed(...args))).toEqual({
      kind: 'opened',
      protection: 'none',
      message: new Uint8Array(
        Buffer.from(`From: Carol <carol@c.test>\nTo: bob@b.test\n${entity}`.replaceAll('\n', '\r\n')),
      ),
      verdict: {
        kind: 'good',
        fingerprint: carol.fingerprint,
        userIds: ['Carol <carol@c.test>'],
        signedAt: expect.any(Date),
      },
    });
  });

  test('without a signature, and with one that has expired since', async () => {
    expect(await opened(mail('--encrypt'))).toMatchObject({ kind: 'opened', verdict: { kind: 'unsigned' } });
    const brief = signed('--default-sig-expire', 'seconds=60');
    expect(await opened(brief)).toMatchObject({ verdict: { kind: 'good' } });
    expect(await opened(brief, new Date(Date.now() + 3_600_000))).toMatchObject({
      verdict: { kind: 'bad', why: 'expired' },
    });
  });

  test('to several recipients, of whom one is us', async () => {
    gpg.makeKey('dave@d.test', { sign: 'rsa2048', encrypt: 'rsa2048' });
    expect(await opened(signed('--recipient', 'dave@d.test', '--recipient', 'carol@c.test'))).toMatchObject({
      kind: 'opened',
    });
  });

  test('and is refused in a cipher of another age', async () => {
    expect(await opened(signed('--cipher-algo', '3des'))).toEqual({
      kind: 'refused',
      reason: 'unknown-encryption',
    });
    const bzip2 = await opened(signed('--compress-algo', 'bzip2'));
    expect(bzip2).toEqual({ kind: 'refused', reason: 'malformed-compression' });
  });
});

describe.skipIf(!haveGnuPg)('GnuPG 2.2 and a domain’s envelope', () => {
  const size = 28_378;
  let gpg: GnuPg;

  beforeAll(() => {
    gpg = startGnuPg();
  });
  afterAll(() => gpg[Symbol.dispose]());

  test('it decrypts one, though no key id tells with which key, and passes over the padding', async () => {
    const { secretKey, certificate } = await generateDomainKey('b.test');
    gpg.makeKey('other@b.test');
    expect(gpg.run(['--import'], secretKey).code).toBe(0);
    const capacity = await fragmentCapacity(certificate, 'bob@b.test', size);
    const fragments = split(new Uint8Array(letter), {
      recipient: 'bob@b.test',
      setId: new Uint8Array(16).fill(7),
      expires: 3600,
      capacity,
    });
    for (const fragment of fragments) {
      const envelope = await sealEnvelope(fragment, certificate, size);
      const listed = gpg.run(['--list-only', '--list-packets'], envelope).stdout.toString();
      expect([...listed.matchAll(/keyid ([0-9A-F]+)/g)].map(([, id]) => id)).toEqual(['0000000000000000']);
      // It counts the other key, which does not fit, as an error: the status lines tell.
      const { stdout, stderr } = gpg.run(['--status-fd', '2', '--decrypt'], envelope);
      expect(stderr).toMatch(/^\[GNUPG:\] DECRYPTION_OKAY$/m);
      expect(stderr).toMatch(/^\[GNUPG:\] GOODMDC$/m);
      expect(decodeFragment(new Uint8Array(stdout))).toEqual({ kind: 'fragment', fragment });
    }
  });

  test('a domain may have made its key with it', async () => {
    const fingerprint = gpg.makeKey('secure@c.test');
    const certificate = new Uint8Array(gpg.run(['--export', fingerprint]).stdout);
    const secretKey = new Uint8Array(gpg.run(['--export-secret-keys', fingerprint]).stdout);
    expect((await readPrivateKey({ binaryKey: secretKey })).getFingerprint()).toBe(fingerprint);
    const [fragment] = split(letter, {
      recipient: 'bob@c.test',
      setId: new Uint8Array(16),
      expires: 3600,
      capacity: 60_000,
    });
    if (fragment === undefined) throw new Error('no fragment');
    const envelope = await sealEnvelope(fragment, certificate, 65_536);
    expect(envelope).toHaveLength(65_536);
    expect(await openEnvelope(envelope, [await loadEnvelopeKey(secretKey)])).toMatchObject({
      kind: 'fragment',
    });
  });
});
