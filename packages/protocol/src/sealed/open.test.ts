import { createMessage, encrypt, enums, sign } from 'openpgp';
import { beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { concat } from '../codec/bytes.ts';
import { characters, octets } from '../codec/mime-header.ts';
import { packetTypes, writePacket } from '../codec/openpgp.ts';
import { zlibWork } from '../testing/counted-pako.ts';
import {
  encryptContent,
  literalPacket,
  mimeAround,
  now,
  type Person,
  person,
  sealedLetter,
  times,
} from '../testing/people.ts';
import { maxMessageBytes } from './limits.ts';
import { type Opened, open } from './open.ts';

vi.mock('pako', async (original) => {
  const { countedPako } = await import('../testing/counted-pako.ts');
  return countedPako(await original());
});

let alice: Person;
let bob: Person;
let sealed: Uint8Array;
let encrypted: Uint8Array;
let dataAt: number;

const original = octets('From: alice@a.test\r\nSubject: s\r\n\r\nbody\r\n');

beforeAll(async () => {
  ({ alice, bob, sealed, encrypted, dataAt } = await sealedLetter(original));
});

const opened = (bytes: Uint8Array, keys = [bob.privateKey]): Promise<Opened> =>
  open(bytes, { decryptionKeys: keys, verificationKeys: [alice.publicKey], date: now });

const refused = async (bytes: Uint8Array): Promise<string> => {
  const result = await opened(bytes);
  return result.kind === 'refused' ? result.reason : 'opened';
};

/** Opens OpenPGP packets that were encrypted to bob. */
const openContent = async (...packets: Uint8Array[]): Promise<Opened> =>
  opened(mimeAround(await encryptContent(concat(...packets), bob.publicKey)));
const refusedContent = async (...packets: Uint8Array[]): Promise<string> => {
  const result = await openContent(...packets);
  return result.kind === 'refused' ? result.reason : 'opened';
};

describe('opening takes', () => {
  test('what a mail system did to it: trace fields, LF, other cases', async () => {
    const text = characters(sealed)
      .replace('multipart/encrypted', 'Multipart/ENCRYPTED')
      .replace('application/octet-stream', 'APPLICATION/octet-stream; name="encrypted.asc"')
      .replaceAll('\r\n', '\n');
    const delivered = octets(
      `Return-Path: <>\nReceived: from x\n\tby y; now\nReceived: again\nPostern-Return: AAAA\n BBBB\n${text}\nepilogue`,
    );
    expect(await opened(delivered)).toMatchObject({
      kind: 'opened',
      message: original,
      protection: 'cipher',
    });
  });

  test('the key of another of the recipient’s certificates, and one that expired', async () => {
    const expired = await person('bob@b.test', { keyExpirationTime: 86_400 });
    const content = literalPacket('Subject: x\r\n\r\nbody');
    const old = await open(mimeAround(await encryptContentAt(content, expired)), {
      decryptionKeys: [bob.privateKey, expired.privateKey],
      verificationKeys: [],
      date: now,
    });
    expect(old).toMatchObject({ kind: 'opened', verdict: { kind: 'unsigned' } });
  });

  test('compression, partial lengths and padding', async () => {
    const message = await createMessage({ binary: octets('Subject: x\n\nbody\n') });
    const signed = await sign({ message, signingKeys: alice.privateKey, format: 'binary', date: now });
    for (const [algorithm, format] of [
      [1, 'deflate-raw'],
      [2, 'deflate'],
    ] as const) {
      const compressed = concat(Uint8Array.of(0xa3, algorithm), await deflate(signed, format));
      expect(
        await openContent(writePacket(packetTypes.padding, new Uint8Array(9)), compressed),
      ).toMatchObject({
        kind: 'opened',
        verdict: { kind: 'good' },
      });
    }
  });

  test('a message without header protection, and says so; outer fields come in front', async () => {
    const entity = 'Content-Type: text/plain\r\nSubject: inner\r\n\r\nbody';
    const bytes = concat(
      octets('Subject: outer\r\nX-Outer: y\r\n'),
      mimeAround(await encryptContent(literalPacket(entity), bob.publicKey)),
    );
    expect(await opened(bytes)).toEqual({
      kind: 'opened',
      message: octets(`X-Outer: y\r\nFrom: secure@b.test\r\n${entity}`),
      protection: 'none',
      verdict: { kind: 'unsigned' },
    });
  });
});

describe('M2 opening refuses a signed header with', () => {
  const injected = 'Reply-To: mallory@evil.test';
  const type = 'Content-Type: text/plain; hp="cipher"';
  const signed = async (text: string): Promise<Opened> => {
    const message = await createMessage({ binary: octets(text) });
    return openContent(await sign({ message, signingKeys: alice.privateKey, format: 'binary', date: now }));
  };

  test.each([
    ['CR alone', `X-Quoted: hello\r${injected}\r\n${type}\r\n\r\nbody\r\n`],
    ['LF alone', `X-Quoted: hello\n${injected}\r\n${type}\r\n\r\nbody\r\n`],
    ['CR alone among LF', `X-Quoted: hello\r${injected}\n${type}\n\nbody\n`],
    ['CRLF among LF', `X-Quoted: hello\r\n${injected}\n${type}\n\nbody\n`],
  ])('%s', async (_what, text) => {
    expect(await signed(text)).toEqual({ kind: 'refused', reason: 'malformed-content' });
  });

  test('none in an encoded word, which stays one', async () => {
    const word = '=?utf-8?q?hello=0D=0AReply-To:_mallory@evil.test?=';
    expect(await signed(`Subject: ${word}\r\n${type}\r\n\r\nbody`)).toMatchObject({
      kind: 'opened',
      message: octets(`Subject: ${word}\r\nContent-Type: text/plain\r\n\r\nbody`),
    });
  });

  test('none of these; the body may have them', async () => {
    expect(await signed(`Subject: s\n${type}\n\none\rtwo\r\n`)).toMatchObject({
      kind: 'opened',
      message: octets('Subject: s\r\nContent-Type: text/plain\r\n\r\none\r\ntwo\r\n'),
      protection: 'cipher',
      verdict: { kind: 'good' },
    });
  });
});

describe('opening refuses OpenPGP', () => {
  describe('C4 what was tampered with', () => {
    test('with any bit flipped, and releases nothing', async () => {
      const reasons = new Set<string>();
      for (let at = 0; at < encrypted.length; at += 7) {
        const changed = encrypted.slice();
        changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
        const result = await opened(mimeAround(changed));
        expect(result).toEqual({ kind: 'refused', reason: expect.any(String) });
        if (result.kind === 'refused') reasons.add(result.reason);
      }
      expect(reasons).toContain('damaged');
      expect(reasons).toContain('no-key');
    });

    test('with its end cut off, whatever the lengths say', async () => {
      const at = dataAt;
      for (const cut of [1, 20, 22, 40, 100]) {
        const body = encrypted.subarray(at + 3, -cut);
        const shorter = concat(encrypted.subarray(0, at), writePacket(18, body));
        expect(await refused(mimeAround(shorter))).toBe('damaged');
      }
      expect(await refused(mimeAround(encrypted.subarray(0, -1)))).toBe('malformed-openpgp');
    });
  });

  test('for others', async () => {
    expect(await opened(sealed, [alice.privateKey])).toEqual({ kind: 'refused', reason: 'no-key' });
    expect(await opened(sealed, [])).toEqual({ kind: 'refused', reason: 'no-key' });
  });

  test('in version 2, and with anything else in place of the data', async () => {
    const at = dataAt;
    const key = encrypted.subarray(0, at);
    const version2 = writePacket(18, Uint8Array.of(2, 9, 2, 6), new Uint8Array(100));
    expect(await refused(mimeAround(concat(key, version2)))).toBe('unknown-encryption');
    expect(await refused(mimeAround(concat(key, encrypted.subarray(at), key)))).toBe('malformed-openpgp');
    expect(await refused(mimeAround(concat(writePacket(10), encrypted)))).toBe('malformed-openpgp');
    expect(await refused(mimeAround(key))).toBe('malformed-openpgp');
    expect(await refused(mimeAround(literalPacket('Subject: x\r\n\r\n')))).toBe('malformed-openpgp');
    expect(await refused(mimeAround(new Uint8Array()))).toBe('malformed-openpgp');
  });
});

describe('opening refuses content', () => {
  const literal = literalPacket('Subject: x\r\n\r\nbody');

  test.each<[string, () => Uint8Array[]]>([
    ['none', () => []],
    ['of two literals', () => [literal, literal]],
    ['with an unknown packet', () => [writePacket(60), literal]],
    ['with a signature that nothing announced', () => [literal, writePacket(2, new Uint8Array(9))]],
    ['with an announcement that nothing follows', () => [writePacket(4, new Uint8Array(13)), literal]],
    ['with a signature between', () => [literal, writePacket(4, new Uint8Array(13)), writePacket(2)]],
    ['encrypted again', () => [writePacket(18, new Uint8Array(99))]],
    ['with a literal cut short', () => [writePacket(11, Uint8Array.of(0x62, 200, 0, 0))]],
    ['with a body that is no header', () => [literalPacket('hello')]],
    ['with two From', () => [literalPacket('From: a\r\nFrom: b\r\n\r\n')]],
    ['with NUL', () => [literalPacket('A: b\r\n\r\n\0')]],
  ])('%s', async (_what, packets) => {
    expect(await refusedContent(...packets())).toBe('malformed-content');
  });

  test.each([
    ['markers', writePacket(10, octets('PGP'))],
    ['padding', Uint8Array.of(0xd5, 0)],
    ['unknown packets', Uint8Array.of(0xfc, 0)],
    ['announcements', writePacket(4, Uint8Array.of(3, 0, 8, 27, 1, 2, 3, 4, 5, 6, 7, 8, 1))],
  ])('of a megabyte of %s', async (_what, unit) => {
    const flood = times(Math.ceil(1_000_000 / unit.length), unit);
    expect(await refusedContent(flood, literal)).toBe('malformed-content');
  });

  describe('C1 compression', () => {
    beforeEach(() => {
      Object.assign(zlibWork, { bytes: 0, calls: 0 });
    });

    test.each([
      [1, 'deflate-raw'],
      [2, 'deflate'],
    ] as const)(
      'a decompression bomb, which is given up on once the limit is passed: %i',
      async (algorithm, format) => {
        const bomb = writePacket(
          8,
          Uint8Array.of(algorithm),
          await deflate(new Uint8Array(60_000_000), format),
        );
        expect(bomb.length).toBeLessThan(100_000);
        expect(await refusedContent(bomb)).toBe('too-large');
        expect(zlibWork.bytes).toBeGreaterThan(maxMessageBytes);
        expect(zlibWork.bytes).toBeLessThan(maxMessageBytes + 1_100_000);
      },
    );

    test('compressed data in compressed data', async () => {
      const once = writePacket(8, Uint8Array.of(1), await deflate(literal, 'deflate-raw'));
      const twice = writePacket(8, Uint8Array.of(1), await deflate(once, 'deflate-raw'));
      expect(await refusedContent(once)).toBe('opened');
      expect(await refusedContent(twice)).toBe('malformed-content');
      // The inner one is not even looked into.
      const inner = writePacket(
        8,
        Uint8Array.of(1),
        await deflate(new Uint8Array(20_000_000), 'deflate-raw'),
      );
      Object.assign(zlibWork, { bytes: 0 });
      const outer = writePacket(8, Uint8Array.of(1), await deflate(inner, 'deflate-raw'));
      expect(await refusedContent(outer)).toBe('malformed-content');
      expect(zlibWork.bytes).toBe(inner.length);
    });

    test('broken or unknown compression', async () => {
      const deflated = await deflate(literal, 'deflate-raw');
      const checked = await deflate(literal, 'deflate');
      checked[checked.length - 1] = (checked.at(-1) ?? 0) ^ 1;
      for (const body of [
        [1, ...deflated.subarray(0, -3)],
        [1, ...deflated.subarray(0, -1)],
        [2, ...deflated],
        [2, ...checked],
        [3, ...deflated],
        [1],
        [99],
        [],
      ])
        expect(await refusedContent(writePacket(8, Uint8Array.from(body)))).toBe('malformed-compression');
    });

    test('of what stands behind compressed data nothing is read, however much it is', async () => {
      for (const [algorithm, format] of [
        [1, 'deflate-raw'],
        [2, 'deflate'],
      ] as const)
        for (const behind of [
          octets('\0'),
          literal,
          new Uint8Array(3_000_000),
          await deflate(literal, format),
        ]) {
          const padded = concat(Uint8Array.of(algorithm), await deflate(literal, format), behind);
          expect(await refusedContent(writePacket(8, padded))).toBe('opened');
        }
    });
  });
});

/** Encrypts as of when the key had not expired. */
async function encryptContentAt(content: Uint8Array, to: Person): Promise<Uint8Array> {
  const text = content.subarray(12);
  return encrypt({
    message: await createMessage({ binary: text }),
    encryptionKeys: to.publicKey,
    date: new Date('2026-01-01T12:00:00Z'),
    format: 'binary',
    config: { preferredCompressionAlgorithm: enums.compression.uncompressed },
  });
}

async function deflate(bytes: Uint8Array, format: 'deflate-raw' | 'deflate'): Promise<Uint8Array> {
  const stream = new Blob([new Uint8Array(bytes)]).stream().pipeThrough(new CompressionStream(format));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
