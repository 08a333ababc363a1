import { deflateRawSync } from 'node:zlib';
import {
  config,
  createMessage,
  enums,
  type PrivateKey,
  type PublicKey,
  readKey,
  revokeKey,
  sign,
  UserIDPacket,
} from 'openpgp';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { concat } from '../codec/bytes.ts';
import { octets } from '../codec/mime-header.ts';
import { framePackets, packetHeaderBytes, writePacket } from '../codec/openpgp.ts';
import { encryptContent, keysMade, mimeAround, now, type Person, person } from '../testing/people.ts';
import { open } from './open.ts';
import type { Verdict } from './verdict.ts';

let alice: Person;
let bob: Person;
let mallory: Person;

const payload = octets('From: alice@a.test\r\nContent-Type: text/plain; hp="cipher"\r\n\r\nbody\r\n');

beforeAll(async () => {
  [alice, bob, mallory] = await Promise.all([
    person('alice@a.test'),
    person('bob@b.test'),
    person('mallory@m.test'),
  ]);
});

async function signed(
  by: readonly PrivateKey[],
  options: Partial<Parameters<typeof sign>[0]> = {},
): Promise<Uint8Array> {
  const message = await createMessage({ binary: payload });
  return sign({ ...options, message, signingKeys: [...by], format: 'binary', date: options.date ?? now });
}

async function verdictOn(
  content: Uint8Array,
  keys: readonly PublicKey[] = [alice.publicKey],
): Promise<Verdict> {
  const result = await open(mimeAround(await encryptContent(content, bob.publicKey)), {
    decryptionKeys: [bob.privateKey],
    verificationKeys: keys,
    date: now,
  });
  if (result.kind === 'refused') throw new Error(result.reason);
  return result.verdict;
}

/** The packets of a signed message, one by one. */
function taken(content: Uint8Array): Uint8Array[] {
  return (framePackets(content, 9) ?? []).map(({ type, body }) => writePacket(type, body));
}

describe('the verdict is', () => {
  test('good by a certificate that was given, among others', async () => {
    const keys = [bob.publicKey, alice.publicKey, mallory.publicKey];
    expect(await verdictOn(await signed([alice.privateKey]), keys)).toMatchObject({
      kind: 'good',
      fingerprint: alice.publicKey.getFingerprint(),
    });
  });

  test('unsigned without a signature', async () => {
    const [, literal = new Uint8Array()] = taken(await signed([alice.privateKey]));
    expect(await verdictOn(literal)).toEqual({ kind: 'unsigned' });
  });

  test('unknown-key by a certificate that was not given', async () => {
    expect(await verdictOn(await signed([mallory.privateKey]))).toEqual({
      kind: 'unknown-key',
      keyId: mallory.publicKey.getKeyID().toHex(),
    });
  });

  test('good with one known signer of two', async () => {
    expect(await verdictOn(await signed([mallory.privateKey, alice.privateKey]))).toMatchObject({
      kind: 'good',
    });
    expect(await verdictOn(await signed([alice.privateKey, mallory.privateKey]))).toMatchObject({
      kind: 'good',
    });
  });

  test('good in the older order, signature first', async () => {
    const [, literal, signature] = taken(await signed([alice.privateKey]));
    if (literal === undefined || signature === undefined) throw new Error('no signature');
    expect(await verdictOn(concat(signature, literal))).toMatchObject({ kind: 'good' });
  });

  describe('C7 a forged signature', () => {
    test('bad over another text', async () => {
      const [announced, , signature] = taken(await signed([alice.privateKey]));
      const literal = writePacket(11, Uint8Array.of(0x62, 0, 0, 0, 0, 0), octets('Subject: forged\r\n\r\nx'));
      if (announced === undefined || signature === undefined) throw new Error('no signature');
      expect(await verdictOn(concat(announced, literal, signature))).toEqual({
        kind: 'bad',
        why: 'wrong-signature',
      });
    });

    test('bad when one of two is', async () => {
      const [outer, inner, literal, first, second] = taken(
        await signed([alice.privateKey, mallory.privateKey]),
      );
      const spoilt = first?.slice() ?? new Uint8Array();
      const last = spoilt.length - 1;
      spoilt[last] = (spoilt[last] ?? 0) ^ 1;
      if (!outer || !inner || !literal || !second) throw new Error('no signatures');
      const keys = [alice.publicKey, mallory.publicKey];
      expect(await verdictOn(concat(outer, inner, literal, spoilt, second), keys)).toMatchObject({
        kind: 'bad',
      });
    });

    // CVE-2025-47934: the library verified one text of a message and gave out another.
    test('over a text that is not the one given out', async () => {
      const forged = writePacket(11, Uint8Array.of(0x62, 0, 0, 0, 0, 0), octets('Subject: forged\r\n\r\nx'));
      const signedBytes = await signed([alice.privateKey]);
      const [announced, literal, signature] = taken(signedBytes);
      if (announced === undefined || literal === undefined || signature === undefined)
        throw new Error('no signature');
      const compressed = writePacket(8, Uint8Array.of(1), deflateRawSync(forged));
      for (const content of [
        [signedBytes, forged],
        [signedBytes, compressed],
        [forged, signedBytes],
        [compressed, signedBytes],
        [announced, forged, literal, signature],
        [announced, literal, forged, signature],
        [announced, compressed, literal, signature],
        [announced, literal, compressed, signature],
        [announced, compressed, signature],
        [signature, compressed],
        [signature, literal, compressed],
        [signature, compressed, literal],
        [signature, forged, literal],
        [writePacket(8, Uint8Array.of(1), deflateRawSync(signedBytes)), forged],
        [writePacket(8, Uint8Array.of(1), deflateRawSync(concat(signedBytes, compressed)))],
      ])
        await expect(verdictOn(concat(...content))).rejects.toThrow('malformed-content');
    });

    test('without user ids that the signer’s key does not vouch for', async () => {
      const forged = await readKey({ binaryKey: alice.publicKey.write() });
      const [user] = (await readKey({ binaryKey: alice.publicKey.write() })).users;
      if (user === undefined) throw new Error('no user id');
      const other = Object.assign(user.clone(), {
        userID: UserIDPacket.fromObject({ email: 'ceo@bank.test' }),
      });
      forged.users.push(other);
      const verdict = await verdictOn(await signed([alice.privateKey]), [forged]);
      expect(forged.getUserIDs()).toContain('<ceo@bank.test>');
      expect(verdict).toMatchObject({ kind: 'good', userIds: ['<alice@a.test>'] });
    });
  });

  test.each([
    ['version', 0, 5],
    ['type', 1, 0x42],
    ['algorithm', 2, 99],
  ])('bad when one of two is of an unknown %s', async (_what, at, value) => {
    const keys = [alice.publicKey, mallory.publicKey];
    const content = await signed([alice.privateKey, mallory.privateKey]);
    expect(await verdictOn(content, keys)).toMatchObject({ kind: 'good' });
    for (const which of [3, 4]) {
      const packets = taken(content);
      const spoilt = packets[which]?.slice() ?? new Uint8Array();
      spoilt[packetHeaderBytes + at] = value;
      packets[which] = spoilt;
      expect(await verdictOn(concat(...packets), keys)).toMatchObject({ kind: 'bad' });
    }
  });

  test('good whoever else put the signer’s key into a certificate', async () => {
    const thief = await thieving(mallory, alice);
    expect(thief.getKeys(alice.publicKey.getKeyID())).toHaveLength(1);
    const content = await signed([alice.privateKey]);
    for (const keys of [
      [thief, alice.publicKey],
      [alice.publicKey, thief],
    ])
      expect(await verdictOn(content, keys)).toMatchObject({
        kind: 'good',
        fingerprint: alice.publicKey.getFingerprint(),
      });
    expect(await verdictOn(content, [thief])).toMatchObject({ kind: 'bad' });
  });

  test('good up to five minutes ahead, bad later', async () => {
    const inMinutes = async (minutes: number): Promise<Verdict> =>
      verdictOn(await signed([alice.privateKey], { date: new Date(now.getTime() + minutes * 60_000) }));
    expect(await inMinutes(4)).toMatchObject({ kind: 'good' });
    expect(await inMinutes(6)).toEqual({ kind: 'bad', why: 'from-the-future' });
  });

  test('bad with a hash that can be forged', async () => {
    expect(await verdictOn(await signedWith({ announced: 2, signature: 3, value: enums.hash.sha1 }))).toEqual(
      {
        kind: 'bad',
        why: 'weak-hash',
      },
    );
  });

  test('the same whatever the program told the library to take', async () => {
    const content = await signed([alice.privateKey]);
    const hashes = config.rejectMessageHashAlgorithms;
    onTestFinished(() => {
      config.rejectMessageHashAlgorithms = hashes;
    });
    config.rejectMessageHashAlgorithms = new Set([enums.hash.sha256, enums.hash.sha512]);
    expect(await verdictOn(content)).toMatchObject({ kind: 'good' });
  });

  test('bad by a key that was revoked or had expired', async () => {
    const content = await signed([alice.privateKey]);
    const { publicKey: revoked } = await revokeKey({
      key: alice.privateKey,
      date: keysMade,
      format: 'object',
    });
    expect(await verdictOn(content, [revoked])).toEqual({ kind: 'bad', why: 'unusable-key' });

    const brief = await person('alice@a.test', { keyExpirationTime: 86_400 });
    const early = await signed([brief.privateKey], { date: new Date('2026-01-01T12:00:00Z') });
    expect(await verdictOn(early, [brief.publicKey])).toMatchObject({ kind: 'good' });
  });

  test('bad with a signature of another type', async () => {
    expect(await verdictOn(await signedWith({ announced: 1, signature: 1, value: 0x10 }))).toEqual({
      kind: 'bad',
      why: 'unknown-kind',
    });
  });

  test('bad with a signature of an unknown version, or in ruins', async () => {
    const [announced, literal] = taken(await signed([alice.privateKey]));
    if (announced === undefined || literal === undefined) throw new Error('no signature');
    for (const body of [[9, 0, 0], [4], [3, 0], []])
      expect(
        await verdictOn(concat(announced, literal, writePacket(2, Uint8Array.from(body)))),
      ).toMatchObject({
        kind: 'bad',
      });
  });
});

/** A certificate that has somebody else's primary key for a subkey, bound as its own subkey is. */
async function thieving(thief: Person, victim: Person): Promise<PublicKey> {
  const packets = framePackets(thief.publicKey.write(), 9) ?? [];
  const binding = packets.at(-1)?.body ?? new Uint8Array();
  const stolen = framePackets(victim.publicKey.write(), 9)?.[0]?.body ?? new Uint8Array();
  return readKey({
    binaryKey: concat(thief.publicKey.write(), writePacket(14, stolen), writePacket(2, binding)),
  });
}

/** A signed message with another byte at these places of its one-pass signature and its signature. */
async function signedWith(change: {
  announced: number;
  signature: number;
  value: number;
}): Promise<Uint8Array> {
  const packets = framePackets(await signed([alice.privateKey]), 9) ?? [];
  const changed = packets.map(({ type, body }) => {
    const copy = body.slice();
    if (type === 4) copy[change.announced] = change.value;
    if (type === 2) copy[change.signature] = change.value;
    return writePacket(type, copy);
  });
  return concat(...changed);
}
