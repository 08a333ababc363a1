import fc from 'fast-check';
import { generateKey, readKey } from 'openpgp';
import { beforeAll, describe, expect, test } from 'vitest';
import { concat } from '../codec/bytes.ts';
import { framePackets, packetTypes, writePacket } from '../codec/openpgp.ts';
import { defaultGeometry } from '../packet/index.ts';
import { decryptMessage } from '../sealed/decrypt.ts';
import { encryptContent, keysMade, now, person, times } from '../testing/people.ts';
import { type EnvelopeCertificate, loadCertificate } from './certificate.ts';
import { type DomainKey, generateDomainKey } from './domainkey.ts';
import { encodeFragment, type Fragment } from './fragment.ts';
import { type EnvelopeKey, loadEnvelopeKey, openEnvelope } from './open.ts';
import { fragmentCapacity, sealEnvelope } from './seal.ts';
import { split } from './split.ts';

const size = defaultGeometry.payloadBytes;
let domain: DomainKey;
let certificate: EnvelopeCertificate;
let key: EnvelopeKey;
let capacity: number;

beforeAll(async () => {
  domain = await generateDomainKey('b.test', now);
  certificate = await loadCertificate(domain.certificate, now);
  key = await loadEnvelopeKey(domain.secretKey);
  capacity = await fragmentCapacity(certificate, 'bob@b.test', size);
});

function fragmentOf(length: number, extra: Partial<Fragment> = {}): Fragment {
  const [fragment] = split(
    Uint8Array.from({ length }, (_, i) => i * 7),
    {
      recipient: 'bob@b.test',
      setId: new Uint8Array(16).fill(9),
      expires: 3600,
      capacity: length,
    },
  );
  if (fragment === undefined) throw new Error('no fragment');
  return { ...fragment, ...extra };
}

describe('an envelope', () => {
  test('has exactly the size asked for, whatever is in it, and opens to its fragment', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(fc.integer({ min: 1, max: capacity }), fc.constantFrom(1, capacity - 1, capacity)),
        async (length) => {
          const fragment = fragmentOf(length);
          const envelope = await sealEnvelope(fragment, certificate, size);
          expect(envelope).toHaveLength(size);
          expect(await openEnvelope(envelope, [key])).toEqual({ kind: 'fragment', fragment });
        },
      ),
      { numRuns: 30 },
    );
  });

  test('has any size, where the widths of lengths change too', async () => {
    for (const each of [400, 512, 8_470, 8_480, 8_481, 8_482, 8_490, 8_500, 16_384, 65_536]) {
      const room = await fragmentCapacity(certificate, 'bob@b.test', each).catch(() => 0);
      for (const length of room > 0 ? [1, room] : []) {
        const envelope = await sealEnvelope(fragmentOf(length), certificate, each);
        expect(envelope).toHaveLength(each);
        expect((await openEnvelope(envelope, [key])).kind).toBe('fragment');
      }
    }
    expect(await fragmentCapacity(certificate, 'bob@b.test', 400)).toBeGreaterThan(100);
  });

  test('of one byte more than fits is refused', async () => {
    await expect(sealEnvelope(fragmentOf(capacity + 1), certificate, size)).rejects.toMatchObject({
      code: 'wrong-length',
      message: expect.stringContaining('1 bytes too long'),
    });
    await expect(fragmentCapacity(certificate, 'bob@b.test', 200)).rejects.toMatchObject({
      code: 'wrong-length',
    });
  });

  test('counts return information and attestation', async () => {
    const extra = { returnInfo: new Uint8Array(100), attestation: new Uint8Array(50) };
    expect(await fragmentCapacity(certificate, 'bob@b.test', size, extra)).toBe(capacity - 150);
    expect(await fragmentCapacity(certificate, 'robert@b.test', size)).toBe(capacity - 3);
    expect(await sealEnvelope(fragmentOf(capacity - 150, extra), certificate, size)).toHaveLength(size);
  });

  test('takes a certificate as bytes as well', async () => {
    const envelope = await sealEnvelope(fragmentOf(9), domain.certificate, size);
    expect((await openEnvelope(envelope, [key])).kind).toBe('fragment');
    expect(await fragmentCapacity(domain.certificate, 'bob@b.test', size)).toBe(capacity);
  });

  test('names no key and is two packets of definite lengths', async () => {
    const envelope = await sealEnvelope(fragmentOf(9), certificate, size);
    const packets = framePackets(envelope, 9) ?? [];
    expect(packets.map(({ type, length, body }) => [type, length, body[0]])).toEqual([
      [1, 'definite', 3],
      [18, 'definite', 1],
    ]);
    expect(packets[0]?.body.subarray(1, 9)).toEqual(new Uint8Array(8));
    const hex = Buffer.from(envelope).toString('hex');
    for (const each of certificate.publicKey.getKeys()) {
      expect(hex).not.toContain(each.getKeyID().toHex());
      expect(hex).not.toContain(each.getFingerprint());
    }
  });

  test('holds a literal and random padding, both with lengths of five octets', async () => {
    const contents = await Promise.all(
      [1, 2].map(async () => {
        const decrypted = await decryptMessage(await sealEnvelope(fragmentOf(9), certificate, size), [
          key.privateKey,
        ]);
        return decrypted.kind === 'decrypted' ? decrypted.content : new Uint8Array();
      }),
    );
    for (const content of contents) {
      const packets = framePackets(content, 9) ?? [];
      expect(packets.map(({ type }) => type)).toEqual([packetTypes.literalData, packetTypes.padding]);
      expect([content[1], content[packets[0]?.end ?? 0], content[(packets[0]?.end ?? 0) + 1]]).toEqual([
        255, 0xd5, 255,
      ]);
    }
    expect(contents[0]?.subarray(-64)).not.toEqual(contents[1]?.subarray(-64));
  });

  test('is never the same twice', async () => {
    const [one, two] = await Promise.all([1, 2].map(() => sealEnvelope(fragmentOf(9), certificate, size)));
    expect(one).not.toEqual(two);
  });

  test('to an RSA certificate has the size as well', async () => {
    const { publicKey, privateKey } = await generateKey({
      type: 'rsa',
      rsaBits: 2048,
      userIDs: [{ email: 'secure@b.test' }],
      date: keysMade,
      format: 'binary',
    });
    const loaded = await loadCertificate(publicKey, now);
    const room = await fragmentCapacity(loaded, 'bob@b.test', size);
    const rsaKey = await loadEnvelopeKey(privateKey);
    for (let i = 0; i < 10; i++) {
      const envelope = await sealEnvelope(fragmentOf(room), loaded, size);
      expect(envelope).toHaveLength(size);
      expect((await openEnvelope(envelope, [key, rsaKey])).kind).toBe('fragment');
    }
  });
});

describe('opening', () => {
  const reason = async (envelope: Uint8Array, keys: readonly EnvelopeKey[] = [key]): Promise<string> => {
    const opened = await openEnvelope(envelope, keys);
    return opened.kind === 'refused' ? opened.reason : 'taken';
  };
  const ofContent = async (...packets: Uint8Array[]): Promise<string> =>
    reason(await encryptContent(concat(...packets), certificate.publicKey, true));

  test('tries every key', async () => {
    const next = await generateDomainKey('b.test', now);
    const nextKey = await loadEnvelopeKey(next.secretKey);
    const envelope = await sealEnvelope(fragmentOf(9), certificate, size);
    expect(await reason(envelope, [nextKey, key])).toBe('taken');
    expect(await reason(envelope, [key, nextKey])).toBe('taken');
    expect(await reason(envelope, [nextKey])).toBe('no-key');
    expect(await reason(envelope, [])).toBe('no-key');
  });

  test('refuses every changed byte', async () => {
    const envelope = await sealEnvelope(fragmentOf(9), certificate, 500);
    const reasons = new Set<string>();
    for (let at = 0; at < envelope.length; at++) {
      const changed = envelope.slice();
      changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
      reasons.add(await reason(changed));
    }
    expect([...reasons].sort()).toEqual(['damaged', 'no-key', 'wrong-shape']);
  });

  test('refuses every truncation, and bytes behind', async () => {
    const envelope = await sealEnvelope(fragmentOf(9), certificate, 500);
    for (let length = 0; length < envelope.length; length++)
      expect(await reason(envelope.subarray(0, length))).toBe('wrong-shape');
    expect(await reason(concat(envelope, Uint8Array.of(0xd5, 0)))).toBe('wrong-shape');
  });

  test('refuses other shapes before any key is tried', async () => {
    const envelope = await sealEnvelope(fragmentOf(9), certificate, size);
    const [esk, data] = (framePackets(envelope, 2) ?? []).map(({ type, body }) => writePacket(type, body));
    if (esk === undefined || data === undefined) throw new Error('no envelope');
    const named = esk.slice();
    named[packetIdAt] = 1;
    expect(await reason(concat(esk, data))).toBe('taken');
    expect(await reason(concat(named, data))).toBe('wrong-shape');
    expect(await reason(concat(esk, esk, data))).toBe('wrong-shape');
    expect(await reason(concat(data, esk))).toBe('wrong-shape');
    expect(await reason(data)).toBe('wrong-shape');
    expect(await reason(concat(esk, writePacket(9, data.subarray(7))))).toBe('wrong-shape');
    expect(await reason(concat(esk, writePacket(18, Uint8Array.of(2), data.subarray(7))))).toBe(
      'wrong-shape',
    );
    expect(await reason(concat(esk, Uint8Array.of(0xd2, 0xe0), data.subarray(6)))).toBe('wrong-shape');
  });

  test('refuses content that is not a literal and padding', async () => {
    const fields = Uint8Array.of(0x62, 0, 0, 0, 0, 0);
    const bytes = encodeFragment(fragmentOf(9));
    const literal = writePacket(11, fields, bytes);
    const padding = writePacket(21, new Uint8Array(20));
    expect(await ofContent(literal, padding)).toBe('taken');
    expect(await ofContent(literal, writePacket(21))).toBe('taken');
    for (const content of [
      [literal],
      [padding],
      [padding, literal],
      [literal, padding, padding],
      [literal, writePacket(10)],
      [literal, Uint8Array.of(0xd5, 1, 0)],
      [writePacket(11, Uint8Array.of(0x75, 0, 0, 0, 0, 0), bytes), padding],
      [writePacket(11, Uint8Array.of(0x62, 0, 1, 0, 0, 0), bytes), padding],
      [writePacket(11, Uint8Array.of(0x62, 0, 0)), padding],
      [writePacket(8, Uint8Array.of(0), literal), padding],
      [writePacket(18, new Uint8Array(60)), padding],
    ])
      expect(await ofContent(...content)).toBe('wrong-content');
    expect(await ofContent(writePacket(11, fields, bytes.subarray(1)), padding)).toBe('unknown-version');
    expect(await ofContent(writePacket(11, fields, bytes.subarray(0, -1)), padding)).toBe('wrong-length');
  });

  test('refuses other encodings of the lengths, also where they are as long', async () => {
    const body = concat(Uint8Array.of(0x62, 0, 0, 0, 0, 0), encodeFragment(fragmentOf(400)));
    const blank = new Uint8Array(400);
    expect(await ofContent(writePacket(11, body), writePacket(21, blank))).toBe('taken');
    for (const content of [
      [inPartialLengths(11, body), writePacket(21, blank)],
      [writePacket(11, body), inPartialLengths(21, blank)],
      [Uint8Array.of(0xae, 0, 0, body.length >> 8, body.length), body, longPadding(blank)],
      [Uint8Array.of(0xaf), body],
      [writePacket(11, body), Uint8Array.of(0xd5, 0xc0, 0xd0), blank],
    ])
      expect(await ofContent(...content)).toBe('wrong-content');
  });

  test.each([
    ['markers', writePacket(10, Uint8Array.of(0x50, 0x47, 0x50))],
    ['padding', Uint8Array.of(0xd5, 0)],
    ['unknown packets', Uint8Array.of(0xfc, 0)],
  ])('refuses %s to the brim', async (_what, unit) => {
    expect(await ofContent(times(Math.floor(28_000 / unit.length), unit))).toBe('wrong-content');
  });
});

describe('keys', () => {
  test('of a domain are of version 4, for its mailbox, and a little older than now', async () => {
    const publicKey = await readKey({ binaryKey: domain.certificate });
    expect(publicKey.getUserIDs()).toEqual(['<secure@b.test>']);
    expect(publicKey.getKeys().map(({ keyPacket }) => keyPacket.version)).toEqual([4, 4]);
    expect(publicKey.getCreationTime()).toEqual(new Date('2026-06-01T09:00:00Z'));
    expect(publicKey.getFingerprint()).toBe(domain.fingerprint);
    await expect(generateDomainKey('B.test')).rejects.toMatchObject({ code: 'wrong-domain' });
  });

  test('that are none, the wrong half, expired or locked are refused', async () => {
    await expect(loadCertificate(Uint8Array.of(1, 2, 3), now)).rejects.toMatchObject({ code: 'wrong-key' });
    await expect(loadCertificate(domain.secretKey, now)).rejects.toMatchObject({ code: 'wrong-key' });
    await expect(loadEnvelopeKey(domain.certificate)).rejects.toMatchObject({ code: 'wrong-key' });
    await expect(loadEnvelopeKey(Uint8Array.of(1))).rejects.toMatchObject({ code: 'wrong-key' });
    const brief = await person('secure@b.test', { keyExpirationTime: 60 });
    await expect(loadCertificate(brief.publicKey.write(), now)).rejects.toMatchObject({
      code: 'key-expired',
      hint: 'Get a newer certificate of the domain.',
    });
    const { privateKey } = await generateKey({
      userIDs: [{ email: 'secure@b.test' }],
      passphrase: 'p',
      format: 'binary',
      config: { s2kIterationCountByte: 0 },
    });
    await expect(loadEnvelopeKey(privateKey)).rejects.toMatchObject({ code: 'key-locked' });
  });
});

/** Three parts of 64 octets, then the rest with a length in two: six octets besides the body, as in a header of five octets of length. */
function inPartialLengths(type: number, body: Uint8Array): Uint8Array {
  const rest = body.length - 3 * 64 - 192;
  return concat(
    Uint8Array.of(0xc0 | type),
    ...[0, 64, 128].map((at) => concat(Uint8Array.of(0xe6), body.subarray(at, at + 64))),
    Uint8Array.of(192 + (rest >> 8), rest & 0xff),
    body.subarray(192),
  );
}

/** Seven octets besides the body, to make up for the five in a header of the older format. */
function longPadding(body: Uint8Array): Uint8Array {
  return concat(
    Uint8Array.of(0xd5, 0xe6),
    body.subarray(0, 64),
    Uint8Array.of(0xff, 0, 0, (body.length - 64) >> 8, body.length - 64),
    body.subarray(64),
  );
}

/** Of the key id, behind a packet header of six bytes and the version. */
const packetIdAt = 7;
