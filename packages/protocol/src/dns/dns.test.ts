import fc from 'fast-check';
import { generateKey, readKey } from 'openpgp';
import { beforeAll, describe, expect, test } from 'vitest';
import { encodeBase64 } from '../codec/base64.ts';
import { concat } from '../codec/bytes.ts';
import { encodeHex } from '../codec/hex.ts';
import { writePacket } from '../codec/openpgp.ts';
import { type DomainKey, generateDomainKey } from '../envelope/index.ts';
import { sha256 } from '../primitives/index.ts';
import { type DomainRecord, makeRecord, openpgpkeyLabel } from './record.ts';
import { formatZone, parseZone } from './zone.ts';

const now = 1_780_000_000;
const label = '6a934b45144e3758911efa29ed68fb2d420fa7bd568739cdcda9251f';
let key: DomainKey;
let record: DomainRecord;
let zone: string;

beforeAll(async () => {
  key = await generateDomainKey('b.test', new Date(now * 1000));
  record = makeRecord({
    domain: 'b.test',
    certificate: key.certificate,
    tls: 'require',
    mix: true,
    maxBytes: 25_000_000,
    expires: now + 86_400,
  });
  zone = formatZone(record);
});

const reasonOf = (text: string, at = now): string => {
  const parsed = parseZone(text, at);
  return parsed.kind === 'refused' ? parsed.reason : 'taken';
};

describe('a record', () => {
  test('says what the certificate is', async () => {
    const publicKey = await readKey({ binaryKey: key.certificate });
    expect(record.fingerprint).toBe(publicKey.getFingerprint());
    expect(record.certificateDigest).toBe(encodeHex(sha256(key.certificate)));
    expect(record.mailbox).toBe('secure');
  });

  test('lies where RFC 7929 puts the key of its mailbox', () => {
    expect(openpgpkeyLabel('secure')).toBe(label);
    // RFC 7929 section 3 has this one.
    expect(openpgpkeyLabel('hugh')).toBe('c93f1e400f26708f98cb19d936620da35eec8f72e57f9eec01c1afd6');
  });

  test('is two lines of a zone file', () => {
    const tags = `v=SM1; a=secure; k=openpgp; fpr=${key.fingerprint}; kh=${record.certificateDigest}; tls=require; mix=ok; size=25000000; exp=${now + 86_400}`;
    expect(zone).toBe(
      `_securemail.b.test. IN TXT "${tags}"\n${label}._openpgpkey.b.test. IN OPENPGPKEY ${encodeBase64(key.certificate)}\n`,
    );
  });

  test('comes back from its lines', () => {
    fc.assert(
      fc.property(
        fc.constantFrom('require' as const, 'prefer' as const),
        fc.boolean(),
        fc.integer({ min: 1, max: 9_999_999_999 }),
        fc.integer({ min: 2, max: 9_999_999_999 }),
        (tls, mix, maxBytes, expires) => {
          const given = { ...record, tls, mix, maxBytes, expires };
          expect(parseZone(formatZone(given), expires - 1)).toEqual({ kind: 'record', record: given });
        },
      ),
    );
  });

  test.each<[string, () => Partial<DomainRecord>]>([
    ['fingerprint', () => ({ fingerprint: '0'.repeat(40) })],
    ['digest', () => ({ certificateDigest: '0'.repeat(64) })],
    ['domain', () => ({ domain: 'c.test' })],
    ['size', () => ({ maxBytes: 0.5 })],
    ['expiry', () => ({ expires: 1.5 })],
  ])('of a wrong %s is not written', (_what, change) => {
    expect(() => formatZone({ ...record, ...change() })).toThrow(
      expect.objectContaining({ code: 'wrong-record' }),
    );
  });

  test('is of one domain’s certificate only', () => {
    expect(() => makeRecord({ ...record, domain: 'c.test' })).toThrow(
      expect.objectContaining({ code: 'wrong-record' }),
    );
  });
});

describe('reading takes', () => {
  test.each<[string, (text: string) => string]>([
    ['comments, empty lines and CRLF', (t) => `; a zone\r\n\r\n${t.replaceAll('\n', '\r\n')}`],
    [
      'TTLs, tabs and the other order',
      (t) => t.trim().split('\n').reverse().join('\n').replaceAll(' IN ', '\t3600 IN\t'),
    ],
    [
      'capital letters in owners',
      (t) => t.replace('_securemail.b', '_SecureMail.B').replace('_openpgpkey', '_OPENPGPKEY'),
    ],
    ['base64 in pieces', (t) => t.replace(/(KEY .{40})/, '$1 \t')],
    ['strings in pieces', (t) => t.replace('; kh', '" "; kh')],
    ['tags in another order', (t) => t.replace(/(tls=require); (mix=ok)/, '$2;$1 ')],
    ['a semicolon at the end', (t) => t.replace(/(exp=[0-9]+)/, '$1;')],
    ['tags that nobody knows', (t) => t.replace('; mix', '; new=thing; mix')],
  ])('%s', (_what, change) => {
    expect(parseZone(change(zone), now)).toEqual({ kind: 'record', record });
  });

  test('texts of more than 255 octets', () => {
    const long = zone.replace('v=SM1;', `v=SM1; x=${'y'.repeat(150)};`).replace('; kh', '" "; kh');
    expect(reasonOf(long)).toBe('taken');
    expect(reasonOf(long.replace('" "', ''))).toBe('malformed-text');
  });
});

describe('reading refuses', () => {
  test.each<[string, string, (text: string) => string]>([
    ['too-large', 'a zone of a megabyte', (t) => t + '\n'.repeat(1_000_000)],
    ['malformed-line', 'a line that is none', (t) => `${t}hello\n`],
    ['malformed-line', 'a relative name', (t) => t.replace('b.test. IN TXT', 'b.test IN TXT')],
    ['malformed-line', 'another class', (t) => t.replace(' IN TXT', ' CH TXT')],
    ['malformed-line', 'parentheses', (t) => t.replace('_securemail', '(')],
    ['unknown-record', 'another type', (t) => `${t}b.test. IN A 192.0.2.1\n`],
    ['no-text', 'nothing', () => ''],
    ['no-text', 'no text', (t) => `${t.split('\n')[1]}\n`],
    ['two-texts', 'two texts', (t) => `${t.split('\n')[0]}\n${t}`],
    ['no-certificate', 'no certificate', (t) => `${t.split('\n')[0]}\n`],
    ['two-certificates', 'two certificates', (t) => `${t}${t.split('\n')[1]}\n`],
    ['wrong-text-owner', 'a text elsewhere', (t) => t.replace('_securemail.', '_mail.')],
    [
      'wrong-text-owner',
      'a text of no domain',
      (t) => t.replace('_securemail.b.test', '_securemail.b..test'),
    ],
    [
      'wrong-certificate-owner',
      'the certificate of another mailbox',
      (t) => t.replace(label, openpgpkeyLabel('bob')),
    ],
    [
      'wrong-certificate-owner',
      'the certificate of another domain',
      (t) => t.replace('_openpgpkey.b', '_openpgpkey.c'),
    ],
    ['malformed-certificate-line', 'what is not base64', (t) => t.replace('OPENPGPKEY x', 'OPENPGPKEY !')],
    ['malformed-text', 'no quotes', (t) => t.replace(/TXT "(.*)"/, 'TXT $1')],
    ['malformed-text', 'escapes', (t) => t.replace('v=SM1', 'v=SM\\049')],
    ['malformed-text', 'a tag without a value', (t) => t.replace('mix=ok', 'mix')],
    ['malformed-text', 'an empty tag', (t) => t.replace('; mix', ';; mix')],
    ['malformed-text', 'a tag with blanks', (t) => t.replace('mix=ok', 'mix=o k')],
    ['repeated-tag', 'a tag twice', (t) => t.replace('mix=ok', 'mix=ok; mix=ok')],
    ['unknown-version', 'another version', (t) => t.replace('v=SM1', 'v=SM2')],
    [
      'unknown-version',
      'the version in another place',
      (t) => t.replace('v=SM1; a=secure', 'a=secure; v=SM1'),
    ],
    ['missing-tag', 'no exp', (t) => t.replace(/; exp=[0-9]*/, '')],
    ['missing-tag', 'a misspelt tag', (t) => t.replace('tls=', 'tsl=')],
    ['wrong-a', 'another mailbox', (t) => t.replace('a=secure', 'a=bob')],
    ['wrong-k', 'another kind of key', (t) => t.replace('k=openpgp', 'k=smime')],
    ['wrong-fpr', 'a fingerprint in capitals', (t) => t.replace(/fpr=[0-9a-f]*/, `fpr=${'A'.repeat(40)}`)],
    ['wrong-kh', 'a short digest', (t) => t.replace(/kh=[0-9a-f]*/, 'kh=00')],
    ['wrong-tls', 'a policy that is none', (t) => t.replace('tls=require', 'tls=required')],
    ['wrong-mix', 'an answer that is none', (t) => t.replace('mix=ok', 'mix=yes')],
    ['wrong-size', 'a size with a unit', (t) => t.replace('size=25000000', 'size=25MB')],
    ['wrong-size', 'no size', (t) => t.replace('size=25000000', 'size=0')],
    ['wrong-exp', 'leading zeros', (t) => t.replace('exp=', 'exp=0')],
    ['digest-mismatch', 'another digest', (t) => t.replace(/kh=[0-9a-f]*/, `kh=${'0'.repeat(64)}`)],
    [
      'fingerprint-mismatch',
      'another fingerprint',
      (t) => t.replace(/fpr=[0-9a-f]*/, `fpr=${'0'.repeat(40)}`),
    ],
  ])('%s: %s', (reason, _what, change) => {
    expect(change(zone)).not.toBe(zone);
    expect(reasonOf(change(zone))).toBe(reason);
  });

  test('expired: from the second that it names', () => {
    expect(reasonOf(zone, record.expires - 1)).toBe('taken');
    expect(reasonOf(zone, record.expires)).toBe('expired');
  });

  const withCertificate = (certificate: Uint8Array): string =>
    zone
      .replace(/OPENPGPKEY .*/, `OPENPGPKEY ${encodeBase64(certificate)}`)
      .replace(/kh=[0-9a-f]*/, `kh=${encodeHex(sha256(certificate))}`);

  test('digest-mismatch: another certificate of the same domain', async () => {
    const other = await generateDomainKey('b.test');
    expect(reasonOf(zone.replace(/OPENPGPKEY .*/, `OPENPGPKEY ${encodeBase64(other.certificate)}`))).toBe(
      'digest-mismatch',
    );
    expect(reasonOf(withCertificate(other.certificate))).toBe('fingerprint-mismatch');
  });

  test('wrong-user-id: a certificate for others', async () => {
    for (const domain of ['c.test', 'b.test.evil.test', 'xb.test']) {
      const other = await generateDomainKey(domain);
      expect(reasonOf(withCertificate(other.certificate))).toBe('wrong-user-id');
    }
    const { publicKey } = await generateKey({
      userIDs: [{ name: 'secure@b.test', email: 'eve@c.test' }],
      format: 'binary',
    });
    expect(reasonOf(withCertificate(publicKey))).toBe('wrong-user-id');
  });

  test('malformed-certificate: what is none', async () => {
    const { publicKey: version6 } = await generateKey({
      userIDs: [{ email: 'secure@b.test' }],
      format: 'binary',
      config: { v6Keys: true },
    });
    for (const certificate of [
      Uint8Array.of(1, 2, 3),
      key.secretKey,
      version6,
      concat(key.certificate, key.certificate),
      concat(key.certificate, key.secretKey),
      key.certificate.subarray(0, -1),
      concat(key.certificate, writePacket(6).subarray(0, 3)),
    ])
      expect(reasonOf(withCertificate(certificate))).toBe('malformed-certificate');
  });

  test('every truncation, and no text makes it throw', () => {
    for (let length = 0; length < zone.length - 1; length += 1)
      expect(reasonOf(zone.slice(0, length))).not.toBe('taken');
    const pieces = fc.constantFrom(...zone.split(/(?<=[ ;"=.])/), '\n', '"', '\\', '(', ';');
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 30 }), (chosen) => {
        expect(parseZone(chosen.join(''), now).kind).toMatch(/^(?:record|refused)$/);
      }),
    );
  });
});
