import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open, seal } from '@postern/protocol/sealed';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { haveSequoia, type Ran, run } from './gnupg.ts';
import { letter, type Person, payloadOf, person } from './sealed.sample.ts';

describe.skipIf(!haveSequoia)('Sequoia', () => {
  let dir: string;
  let alice: Person;
  let bob: Person;
  const file = (name: string, content: string | Uint8Array): string => {
    writeFileSync(join(dir, name), content);
    return join(dir, name);
  };
  const sq = (...args: string[]): Ran => run('sq', args);

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'sq-'));
    [alice, bob] = await Promise.all([person('alice@a.test'), person('bob@b.test')]);
    file('alice.cert', alice.publicKey.armor());
    file('alice.key', alice.privateKey.armor());
    file('bob.key', bob.privateKey.armor());
    file('bob.cert', bob.publicKey.armor());
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  test('reads a sealed message and finds its signature good', async () => {
    const outer = {
      from: 'secure@b.test',
      to: 'bob@b.test',
      date: new Date('2026-11-23T21:59:59Z'),
      messageId: '<0123456789abcdef@b.test>',
    };
    const sealed = await seal(letter, { signingKey: alice.privateKey, certificate: bob.publicKey, outer });
    const path = file('sealed.eml', sealed);
    const keys = ['--recipient-key', join(dir, 'bob.key'), '--signer-cert', join(dir, 'alice.cert')];
    const { code, stdout, stderr } = sq('decrypt', ...keys, path);
    expect(stderr).toMatch(/1 good signature/);
    expect(code).toBe(0);
    const shown = [
      'From: secure@b.test',
      'To: bob@b.test',
      'Date: Mon, 23 Nov 2026 21:00:00 +0000',
      'Message-ID: <0123456789abcdef@b.test>',
    ];
    expect(stdout.equals(payloadOf(letter, shown))).toBe(true);
  });

  /** By default it pads, more or less by the length. */
  test.each([
    ['pad', 5],
    ['pad', 1_000],
    ['pad', 50_000],
    ['none', 1_000],
    ['zip', 50_000],
    ['zlib', 50_000],
  ])('its own message opens, compression %s of %i bytes', async (compression, length) => {
    const body = 'hello'.repeat(length / 5);
    const entity = file('entity', `Content-Type: text/plain; hp="cipher"\r\nSubject: s\r\n\r\n${body}\r\n`);
    const keys = ['--signer-key', join(dir, 'alice.key'), '--recipient-cert', join(dir, 'bob.cert')];
    const { stdout, stderr } = sq('encrypt', '--compression', compression, ...keys, entity);
    expect(stderr).toBe('');
    const mail = [
      'From: x@y.test',
      'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted"; boundary=b',
      '',
      '--b',
      'Content-Type: application/pgp-encrypted',
      '',
      'Version: 1',
      '--b',
      'Content-Type: application/octet-stream',
      '',
      stdout.toString(),
      '--b--',
      '',
    ].join('\n');
    const options = { decryptionKeys: [bob.privateKey], verificationKeys: [alice.publicKey] };
    expect(await open(Buffer.from(mail), options)).toMatchObject({
      kind: 'opened',
      protection: 'cipher',
      message: new Uint8Array(Buffer.from(`Content-Type: text/plain\r\nSubject: s\r\n\r\n${body}\r\n`)),
      verdict: { kind: 'good', fingerprint: alice.publicKey.getFingerprint() },
    });
  });
});
