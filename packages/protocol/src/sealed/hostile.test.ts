import { cfb } from '@noble/ciphers/aes.js';
import { decryptSessionKeys, readKey, readMessage } from 'openpgp';
import { beforeAll, describe, expect, test } from 'vitest';
import { concat } from '../codec/bytes.ts';
import { characters, octets } from '../codec/mime-header.ts';
import { framePackets, packetTypes, writePacket } from '../codec/openpgp.ts';
import { loadCertificate } from '../envelope/certificate.ts';
import {
  encryptContent,
  literalPacket,
  mimeAround,
  now,
  type Person,
  sealedLetter,
  sealOptions,
  times,
} from '../testing/people.ts';
import { type Opened, open } from './open.ts';
import { policy } from './policy.ts';
import { seal } from './seal.ts';

let alice: Person;
let bob: Person;
let sealed: Uint8Array;
let encrypted: Uint8Array;
/** Where the encrypted data begin, behind the session key. */
let dataAt: number;

beforeAll(async () => {
  const letter = await sealedLetter(octets('Subject: s\r\n\r\nbody\r\n'));
  ({ alice, bob, sealed, encrypted, dataAt } = letter);
});

/** What opening gives, and how often it looked for a key. */
async function openCounted(bytes: Uint8Array): Promise<{ result: Opened; decryptions: number }> {
  let decryptions = 0;
  const decryptionKeys = async () => {
    decryptions++;
    return [bob.privateKey];
  };
  const result = await open(bytes, { decryptionKeys, verificationKeys: [alice.publicKey], date: now });
  return { result, decryptions };
}

async function refused(...packets: Uint8Array[]): Promise<string> {
  const { result } = await openCounted(mimeAround(concat(...packets)));
  return result.kind === 'refused' ? result.reason : 'opened';
}

describe('C2 what costs more to open than to make', () => {
  test('thousands of session keys', async () => {
    const [key, data] = [encrypted.subarray(0, dataAt), encrypted.subarray(dataAt)];
    const others = await encryptContent(literalPacket('Subject: x\r\n\r\n'), alice.publicKey);
    const other = others.subarray(0, framePackets(others, 2)?.[0]?.end);
    expect(await refused(times(31, other), key, data)).toBe('opened');
    expect(await refused(times(32, other), key, data)).toBe('too-many-keys');
    expect(await refused(times(33, key), data)).toBe('too-many-keys');
    expect(await refused(times(5000, key), data)).toBe('too-many-keys');
    expect(await refused(times(5000, writePacket(3, new Uint8Array(20))), data)).toBe('too-many-keys');
    expect(await refused(times(70_000, Uint8Array.of(0xc3, 0)), data)).toBe('malformed-openpgp');
  });

  test('Argon2 with 2^31 KiB: nobody has a password, so nobody derives a key', async () => {
    const argon2 = writePacket(3, Uint8Array.of(4, 9, 4, ...new Uint8Array(16), 255, 4, 31));
    expect(await refused(argon2, encrypted)).toBe('opened');
    expect(await refused(argon2, encrypted.subarray(dataAt))).toBe('no-key');
  });

  test('a certificate with RSA keys of 65,535 bits, and an exponent as long', async () => {
    const huge = await withHugeKeys();
    expect((await readKey({ binaryKey: huge })).getAlgorithmInfo()).toMatchObject({ bits: 65_535 });
    await expect(loadCertificate(huge, now)).rejects.toMatchObject({ code: 'key-unusable' });
  });

  /** Alice's certificate with such keys in the place of hers, bound as hers are. */
  async function withHugeKeys(): Promise<Uint8Array> {
    const number = concat(Uint8Array.of(0, 0), times(8_192, Uint8Array.of(0xff)));
    number.set([0xff, 0xff, 0x7f]); // its length in bits, and one fewer than its octets have
    const created = Math.floor(new Date('2026-01-01T00:00:00Z').getTime() / 1_000);
    const key = concat(
      Uint8Array.of(4, created >>> 24, (created >>> 16) & 255, (created >>> 8) & 255, created & 255, 1),
      number,
      number,
    );
    const packets = framePackets(alice.publicKey.write(), 9) ?? [];
    return concat(
      ...packets.map(({ type, body }) => writePacket(type, type === 6 || type === 14 ? key : body)),
    );
  }
});

describe('C3 layer in layer', () => {
  test('a message that was encrypted a thousand times is decrypted once', async () => {
    let content = literalPacket('Subject: x\r\n\r\nbody');
    for (let layer = 0; layer < 1_000; layer++) content = await encryptContent(content, bob.publicKey);
    const { result, decryptions } = await openCounted(mimeAround(content));
    expect(result).toEqual({ kind: 'refused', reason: 'malformed-content' });
    expect(decryptions).toBe(1);
  });

  test('a sealed message in a sealed message is its bytes', async () => {
    const twice = await seal(sealed, sealOptions(alice, bob));
    const { result, decryptions } = await openCounted(twice);
    expect(result).toMatchObject({ kind: 'opened', message: sealed });
    expect(decryptions).toBe(1);
  });
});

describe('C5 what is not protected against change', () => {
  test('data without integrity protection, before any key is tried', async () => {
    const stripped = writePacket(packetTypes.symmetricallyEncrypted, encrypted.subarray(dataAt + 4));
    const { result, decryptions } = await openCounted(
      mimeAround(concat(encrypted.subarray(0, dataAt), stripped)),
    );
    expect(result).toEqual({ kind: 'refused', reason: 'no-integrity' });
    expect(decryptions).toBe(0);
  });

  // EFAIL: who knows a block of the plaintext writes another in its place, for 16 octets of noise before the next one.
  test('a gadget in the ciphertext, of an author whose first words are known', async () => {
    const known = 'Subject: report\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nsecret\r\n';
    const wanted = '<img src="//x/?a';
    const message = await encryptContent(literalPacket(known), bob.publicKey);
    const [esk, data] = framePackets(message, 2) ?? [];
    if (esk === undefined || data === undefined) throw new Error('no message');
    // Behind the version octet: 18 octets of prefix, 6 of the literal's header and 6 of its fields, then the text.
    const block = 32;
    const [old, put] = [octets(known.slice(block - 30, block - 14)), octets(wanted)];
    const body = data.body.map((octet, at) =>
      at > block && at <= block + 16
        ? octet ^ (old[at - block - 1] ?? 0) ^ (put[at - block - 1] ?? 0)
        : octet,
    );
    const bent = concat(message.subarray(0, esk.end), writePacket(18, body));

    const [session] = await decryptSessionKeys({
      message: await readMessage({ binaryMessage: message.subarray(0, esk.end), config: policy }),
      decryptionKeys: [bob.privateKey],
      config: policy,
    });
    const plain = cfb(session?.data ?? new Uint8Array(), new Uint8Array(16)).decrypt(body.slice(1));
    expect(characters(plain)).toContain(wanted);
    expect(await openCounted(mimeAround(message))).toMatchObject({ result: { kind: 'opened' } });
    expect((await openCounted(mimeAround(bent))).result).toEqual({ kind: 'refused', reason: 'damaged' });
  });
});

describe('M3 encodings', () => {
  test.each<[string, (text: string) => string, string]>([
    ['a multipart', (t) => `Content-Transfer-Encoding: base64\r\n${t}`, 'malformed-parts'],
    [
      'a multipart, in words',
      (t) => `Content-Transfer-Encoding: quoted-printable\r\n${t}`,
      'malformed-parts',
    ],
    [
      'a part',
      (t) => t.replace('octet-stream\r\n', 'octet-stream\r\nContent-Transfer-Encoding: base64\r\n'),
      'malformed-parts',
    ],
    ['text in front of the armor', (t) => t.replace('-----BEGIN', 'hello\r\n-----BEGIN'), 'malformed-armor'],
    ['armor that is no base64', (t) => t.replace(/\r\n\r\nw/, '\r\n\r\n!'), 'malformed-armor'],
    ['armor that breaks off', (t) => t.replace(/-----END[^-]*-----/, ''), 'malformed-armor'],
  ])('outside are refused: %s', async (_what, change, reason) => {
    const changed = change(characters(sealed));
    expect(changed).not.toBe(characters(sealed));
    expect((await openCounted(octets(changed))).result).toEqual({ kind: 'refused', reason });
  });

  test.each(['base64', 'quoted-printable', 'x-none'])(
    'inside are handed on as they are: %s',
    async (name) => {
      const message = octets(
        `Subject: s\r\nContent-Transfer-Encoding: ${name}\r\n\r\n=ZZ !!! =\r\n=3D\r\n===`,
      );
      const { result } = await openCounted(await seal(message, sealOptions(alice, bob)));
      expect(result).toMatchObject({ kind: 'opened', message });
    },
  );
});
