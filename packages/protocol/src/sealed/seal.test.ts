import fc from 'fast-check';
import { decryptKey, encryptKey, generateKey, PublicKey, readKey, readMessage, revokeKey } from 'openpgp';
import { beforeAll, describe, expect, test } from 'vitest';
import { characters, octets } from '../codec/mime-header.ts';
import { framePackets } from '../codec/openpgp.ts';
import { ProtocolError } from '../errors.ts';
import { keysMade, now, type Person, person, sealOptions } from '../testing/people.ts';
import { decryptMessage } from './decrypt.ts';
import { open } from './open.ts';
import { parseOuter } from './outer.ts';
import { seal } from './seal.ts';

let alice: Person;
let bob: Person;

beforeAll(async () => {
  [alice, bob] = await Promise.all([person('alice@a.test'), person('bob@b.test')]);
});

const original = octets(
  [
    'From: =?utf-8?q?=C3=84lice?= <alice@a.test>',
    'To: Bob <bob@b.test>, Carol <carol@c.test>',
    'Subject: the eagle lands at dawn',
    'Date: Mon, 1 Jun 2026 12:20:30 +0200',
    'Message-ID: <private-7@alice-laptop.a.test>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary="=_b"',
    '',
    '--=_b',
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: 8bit',
    '',
    '<p>gr\xc3\xbc\xc3\x9fe</p>',
    '--=_b',
    'Content-Type: application/octet-stream; name="report.pdf"',
    'Content-Transfer-Encoding: base64',
    '',
    'AAECAwQF',
    '--=_b--',
    '',
  ].join('\r\n'),
);

const sealed = (message = original): Promise<Uint8Array> => seal(message, sealOptions(alice, bob));
const opened = (bytes: Uint8Array, from = alice.publicKey): ReturnType<typeof open> =>
  open(bytes, { decryptionKeys: [bob.privateKey], verificationKeys: [from], date: now });

/** Undefined when its header is too long. */
async function attempt(message: Uint8Array): Promise<Uint8Array | undefined> {
  try {
    return await sealed(message);
  } catch (error) {
    if (error instanceof ProtocolError && error.message.includes('too long')) return undefined;
    throw error;
  }
}

async function encryptedIn(bytes: Uint8Array): Promise<Uint8Array> {
  const outer = parseOuter(bytes);
  if (outer.kind === 'refused') throw new Error(outer.reason);
  return outer.encrypted;
}

test.each<[string, number, (count: number) => string]>([
  ['fields', 4_096, (count) => 'A: b\r\n'.repeat(count)],
  ['bytes', 524_288, (count) => `A: ${'b'.repeat(count - 5)}\r\n`],
])('what is sealed opens, up to the last of the %s of a header', async (_what, most, header) => {
  let [fits, beyond] = [most - 1000, most];
  while (beyond - fits > 1) {
    const middle = (fits + beyond) >> 1;
    if ((await attempt(octets(`${header(middle)}\r\nbody`))) === undefined) beyond = middle;
    else fits = middle;
  }
  expect(beyond).toBeLessThan(most);
  const message = octets(`${header(fits)}\r\nbody`);
  const largest = (await attempt(message)) ?? new Uint8Array();
  expect(await opened(largest)).toMatchObject({ kind: 'opened', message });
});

describe('a sealed message', () => {
  test('opens to the very message, signed by its author', async () => {
    expect(await opened(await sealed())).toEqual({
      kind: 'opened',
      message: original,
      protection: 'cipher',
      verdict: {
        kind: 'good',
        fingerprint: alice.publicKey.getFingerprint(),
        userIds: ['<alice@a.test>'],
        signedAt: new Date('2026-06-01T10:20:30Z'),
      },
    });
  });

  test('of any bytes opens to them', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom('', 'A: b\r\n', 'Content-Type: text/plain; charset=utf-8\r\nX: \r\n y\r\n'),
        fc.uint8Array({ maxLength: 200 }).map((bytes) => bytes.filter((byte) => ![0, 10, 13].includes(byte))),
        async (header, body) => {
          const message = new Uint8Array([...octets(`${header}\r\n`), ...body]);
          expect(await opened(await sealed(message))).toMatchObject({ kind: 'opened', message });
        },
      ),
      { numRuns: 25 },
    );
  });

  test('shows outside what it was told to, and nothing else', async () => {
    const text = characters(await sealed());
    const [header = '', ...body] = text.split('\r\n\r\n');
    const boundary = /boundary="([0-9a-f]{32})"/.exec(header)?.[1] ?? '';
    expect(header.split('\r\n')).toEqual([
      'From: secure@b.test',
      'To: bob@b.test',
      'Date: Mon, 01 Jun 2026 10:00:00 +0000',
      'Message-ID: <0123456789abcdef@b.test>',
      'MIME-Version: 1.0',
      'Content-Type: multipart/encrypted; protocol="application/pgp-encrypted";',
      ` boundary="${boundary}"`,
    ]);
    const armor = /-----BEGIN PGP MESSAGE-----[\s\S]*-----END PGP MESSAGE-----/;
    expect(body.join('\r\n\r\n').replace(armor, '(armor)')).toBe(
      `--${boundary}\r\nContent-Type: application/pgp-encrypted\r\n\r\nVersion: 1\r\n\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\n\r\n(armor)\r\n\r\n--${boundary}--\r\n`,
    );
    expect(text).toMatch(/^[\x20-\x7e\r\n]*$/);
    expect(Math.max(...text.split('\r\n').map(({ length }) => length))).toBeLessThan(78);
  });

  test('bears no trace of its author, in any encoding of its wrapper', async () => {
    const bytes = await sealed();
    const encrypted = await encryptedIn(bytes);
    const packets = framePackets(encrypted, 9) ?? [];
    expect(packets.map(({ type, length }) => [type, length])).toEqual([
      [1, 'definite'],
      [18, 'definite'],
    ]);
    const message = await readMessage({ binaryMessage: encrypted });
    const encryptionKey = await bob.publicKey.getEncryptionKey(undefined, now);
    expect(message.getEncryptionKeyIDs().map((id) => id.toHex())).toEqual([encryptionKey.getKeyID().toHex()]);
    const hex = Buffer.from(encrypted).toString('hex');
    for (const key of alice.publicKey.getKeys()) {
      expect(hex).not.toContain(key.getKeyID().toHex());
      expect(hex).not.toContain(key.getFingerprint());
    }
    const text = characters(bytes).toLowerCase();
    for (const fact of [
      'alice',
      'a.test',
      'carol',
      'eagle',
      'private-7',
      'report',
      'subject',
      'openpgp',
      'comment:',
    ])
      expect(text).not.toContain(fact);
  });

  test('has no boundary and no session key twice', async () => {
    const [one, two] = [characters(await sealed()), characters(await sealed())];
    const boundaryOf = (text: string): string | undefined => /boundary="(.*)"/.exec(text)?.[1];
    expect(boundaryOf(one)).not.toBe(boundaryOf(two));
    expect(one.slice(800, 900)).not.toBe(two.slice(800, 900));
  });

  test('holds, uncompressed, a literal without name and date, and one signature', async () => {
    const decrypted = await decryptMessage(await encryptedIn(await sealed()), [bob.privateKey]);
    if (decrypted.kind === 'refused') throw new Error(decrypted.reason);
    const packets = framePackets(decrypted.content, 9) ?? [];
    expect(packets.map(({ type }) => type)).toEqual([4, 11, 2]);
    expect([...(packets[1]?.body.subarray(0, 6) ?? [])]).toEqual([0x62, 0, 0, 0, 0, 0]);
  });

  test('carries what is outside as HP-Outer, and no Bcc', async () => {
    const message = octets('Bcc: dave@d.test\r\nSubject: s\r\n\r\nbody');
    const decrypted = await decryptMessage(await encryptedIn(await sealed(message)), [bob.privateKey]);
    const content = decrypted.kind === 'decrypted' ? characters(decrypted.content) : '';
    expect(content).toContain(
      [
        'HP-Outer: From: secure@b.test',
        'HP-Outer: To: bob@b.test',
        'HP-Outer: Date: Mon, 01 Jun 2026 10:00:00 +0000',
        'HP-Outer: Message-ID: <0123456789abcdef@b.test>',
        'Content-Type: text/plain; protected-headers="v1"; hp="cipher"',
        'Subject: s',
        '',
        'body',
      ].join('\r\n'),
    );
    expect(content).not.toContain('dave');
  });

  test('goes to a certificate that asks for version 2 in version 1, which every program reads', async () => {
    const { publicKey, privateKey } = await generateKey({
      type: 'curve25519',
      userIDs: [{ email: 'bob@b.test' }],
      date: keysMade,
      format: 'object',
      config: { aeadProtect: true },
    });
    const bytes = await seal(original, { ...sealOptions(alice, bob), certificate: publicKey });
    expect(
      (framePackets(await encryptedIn(bytes), 2) ?? []).map(({ type, body }) => [type, body[0]]),
    ).toEqual([
      [1, 3],
      [18, 1],
    ]);
    const result = await open(bytes, { decryptionKeys: [privateKey], verificationKeys: [], date: now });
    expect(result).toMatchObject({ kind: 'opened', message: original });
  });
});

describe('sealing refuses', () => {
  const fault = async (change: Partial<ReturnType<typeof sealOptions>>): Promise<unknown> =>
    seal(original, { ...sealOptions(alice, bob), ...change }).then(
      () => 'sealed',
      (error: unknown) => error,
    );

  test('an expired certificate', async () => {
    const old = await person('bob@b.test', { keyExpirationTime: 86_400 });
    expect(await fault({ certificate: old.publicKey })).toMatchObject({ code: 'key-expired' });
  });

  test('a certificate from the future', async () => {
    const later = await person('bob@b.test', { date: new Date('2026-07-01T00:00:00Z') });
    expect(await fault({ certificate: later.publicKey })).toMatchObject({ code: 'key-unusable' });
  });

  test('a revoked certificate', async () => {
    const { publicKey } = await revokeKey({ key: bob.privateKey, date: keysMade, format: 'object' });
    expect(await fault({ certificate: publicKey })).toMatchObject({
      code: 'key-revoked',
      hint: expect.stringContaining('certificate'),
    });
  });

  test('a certificate that cannot encrypt', async () => {
    const bare = await readKey({ binaryKey: bob.publicKey.write() });
    bare.subkeys = [];
    expect(bare).toBeInstanceOf(PublicKey);
    expect(await fault({ certificate: bare })).toMatchObject({ code: 'key-unusable' });
  });

  test('a locked or expired key of the author', async () => {
    const locked = await encryptKey({
      privateKey: (await person('alice@a.test')).privateKey,
      passphrase: 'p',
      config: { s2kIterationCountByte: 0 },
    });
    expect(await fault({ signingKey: locked })).toMatchObject({ code: 'key-locked' });
    const old = await person('alice@a.test', { keyExpirationTime: 86_400 });
    expect(await fault({ signingKey: old.privateKey })).toMatchObject({ code: 'key-unusable' });
    const options = { decryptionKeys: [locked], verificationKeys: [], date: now };
    await expect(open(await sealed(), options)).rejects.toMatchObject({ code: 'key-locked' });
    expect((await decryptKey({ privateKey: locked, passphrase: 'p' })).isDecrypted()).toBe(true);
  });

  test.each([
    { from: 'secure@B.test' },
    { from: 'secure@b.test\r\nSubject: x' },
    { to: '"bob"@b.test' },
    { to: 'bob@b.test, carol@b.test' },
  ])('%j outside', async (change) => {
    const { outer } = sealOptions(alice, bob);
    expect(await fault({ outer: { ...outer, ...change } })).toMatchObject({ code: 'wrong-mailbox' });
  });

  test.each(['x@y', '<x@y>\r\nX: y', '<x y@z>', '<>', `<${'x'.repeat(300)}@y>`])(
    'the Message-ID %j',
    async (messageId) => {
      const { outer } = sealOptions(alice, bob);
      expect(await fault({ outer: { ...outer, messageId } })).toMatchObject({ code: 'wrong-message' });
    },
  );

  test('faults name no key, mailbox or content', async () => {
    const old = await person('bob@b.test', { keyExpirationTime: 86_400 });
    const error = (await fault({ certificate: old.publicKey })) as Error;
    expect(`${error.message} ${JSON.stringify(error)}`).not.toMatch(/bob|b\.test|[0-9A-Fa-f]{16}/);
  });
});
