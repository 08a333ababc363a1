import { describe, expect, test } from 'vitest';
import type { ResourceRecord } from '../message.ts';
import { nameToWire } from '../name.ts';
import { types } from '../types.ts';
import { ianaAnchors, parseAnchors } from './anchors.ts';
import { deny, nearer } from './denial.ts';
import { isDelegatedTo, readDelegation, readZoneKey } from './keys.ts';
import { judge } from './signature.ts';

const bytes = (...parts: (string | Uint8Array | readonly number[])[]): Buffer =>
  Buffer.concat(
    parts.map((part) =>
      typeof part === 'string' ? Buffer.from(part, 'base64') : Buffer.from(part as Uint8Array),
    ),
  );
const u16 = (value: number): Buffer => Buffer.of(value >> 8, value & 0xff);
const u32 = (value: number): Buffer => Buffer.concat([u16(value >>> 16), u16(value & 0xffff)]);

interface Sample {
  readonly key: Buffer;
  readonly ds: string;
  readonly algorithm: number;
  readonly record: ResourceRecord;
  readonly labels: number;
  readonly zone: string;
  readonly tag: number;
  readonly times: readonly [number, number];
  readonly signature: string;
}

const mail: ResourceRecord = {
  name: 'example.com.',
  type: types.MX,
  ttl: 3600,
  data: bytes(u16(10), nameToWire('mail.example.com.')),
};
const www: ResourceRecord = {
  name: 'www.example.net.',
  type: types.A,
  ttl: 3600,
  data: Buffer.of(192, 0, 2, 1),
};

// RFC 8080 section 6.1 and RFC 6605 section 6.1.
const samples: readonly [string, Sample][] = [
  [
    'Ed25519',
    {
      key: bytes(u16(257), [3, 15], 'l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4='),
      ds: '0e1d0f023aa5ab37efce57f737fc1627013fee07bdf241bd10f3b1964ab55c78e79a304b',
      algorithm: 15,
      record: mail,
      labels: 2,
      zone: 'example.com.',
      tag: 3613,
      times: [1_440_021_600, 1_438_207_200],
      signature: 'oL9krJun7xfBOIWcGHi7mag5/hdZrKWw15jPGrHpjQeRAvTdszaPD+QLs3fx8A4M3e23mRZ9VrbpMngwcrqNAg==',
    },
  ],
  [
    'P-256',
    {
      key: bytes(
        u16(257),
        [3, 13],
        'GojIhhXUN/u4v54ZQqGSnyhWJwaubCvTmeexv7bR6edbkrSqQpF64cYbcB7wNcP+e+MAnLr+Wi9xMWyQLc8NAA==',
      ),
      ds: 'd9600d02b4c8c1fe2e7477127b27115656ad6256f424625bf5c1e2770ce6d6e37df61d17',
      algorithm: 13,
      record: www,
      labels: 3,
      zone: 'example.net.',
      tag: 55_648,
      times: [Date.UTC(2010, 8, 9, 10, 4, 39) / 1000, Date.UTC(2010, 7, 12, 10, 4, 39) / 1000],
      signature: 'qx6wLYqmh+l9oCKTN6qIc+bw6ya+KJ8oMz0YP107epXAyGmt+3SNruPFKG7tZoLBLlUzGGus7ZwmwWep666VCw==',
    },
  ],
];

function signed(sample: Sample, change: Partial<Sample> = {}): ResourceRecord[] {
  const { record, algorithm, labels, times, tag, zone, signature } = { ...sample, ...change };
  const data = bytes(
    u16(record.type),
    [algorithm, labels],
    u32(3600),
    u32(times[0]),
    u32(times[1]),
    u16(tag),
    nameToWire(zone),
    signature,
  );
  return [record, { name: record.name, type: types.RRSIG, ttl: 3600, data }];
}

describe.each(samples)('%s, as its RFC shows it', (_name, sample) => {
  const key = readZoneKey(sample.key);
  const zone = { name: sample.zone, keys: key === undefined ? [] : [key] };
  const now = sample.times[1] + 60;
  const verdict = (section: readonly ResourceRecord[], at = now, verifications = 10): string =>
    judge(section.slice(0, 1), section, zone, { now: at, budget: { verifications } }).kind;

  test('the key is the one that its DS record names', () => {
    const ds = readDelegation(Buffer.from(sample.ds, 'hex'));
    expect(key?.tag).toBe(sample.tag);
    expect(key && ds && isDelegatedTo(sample.zone, key, ds)).toBe(true);
    expect(key && ds && isDelegatedTo('other.', key, ds)).toBe(false);
  });

  test('the signature holds, from its first second until its last', () => {
    expect(verdict(signed(sample))).toBe('valid');
    expect(verdict(signed(sample), sample.times[1])).toBe('valid');
    expect(verdict(signed(sample), sample.times[1] - 1)).toBe('bogus');
    expect(verdict(signed(sample), sample.times[0] - 1)).toBe('valid');
    expect(verdict(signed(sample), sample.times[0])).toBe('bogus');
  });

  test.each<[string, Partial<Sample>]>([
    ['other data', { record: { ...sample.record, data: Buffer.of(192, 0, 2, 2) } }],
    ['another owner', { record: { ...sample.record, name: `x.${sample.zone}` } }],
    ['an owner outside of the zone', { record: { ...sample.record, name: 'www.evil.' } }],
    ['another signer', { zone: 'com.' }],
    ['another key tag', { tag: 1 }],
    ['another algorithm', { algorithm: 8 }],
    ['more labels than the owner has', { labels: 9 }],
    ['another time', { times: [sample.times[0] + 1, sample.times[1]] }],
    ['a signature cut short', { signature: sample.signature.slice(0, -8) }],
    ['no signature', { signature: '' }],
  ])('%s: it does not', (_what, change) => {
    expect(verdict(signed(sample, change))).toBe('bogus');
  });

  test('the TTL is no longer than what is left of the signature', () => {
    const section = signed(sample);
    const at = sample.times[0] - 5;
    expect(judge(section.slice(0, 1), section, zone, { now: at, budget: { verifications: 1 } })).toEqual({
      kind: 'valid',
      ttlSeconds: 5,
    });
  });

  test('a revoked key, or one that signs no zones, is none', () => {
    for (const flags of [0x0181, 0x0001])
      expect(readZoneKey(bytes(u16(flags), sample.key.subarray(2)))).toBeUndefined();
  });

  test('who makes signatures collide runs out of verifications', () => {
    expect(verdict(signed(sample), now, 0)).toBe('unprovable');
  });
});

describe('trust anchors', () => {
  test('IANA’s are two', () => {
    expect(parseAnchors(ianaAnchors).map(({ tag }) => tag)).toEqual([20_326, 38_696]);
  });

  test('a DNSKEY record is as good as its DS', () => {
    const line = `. 172800 IN DNSKEY 257 3 15 l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4= ;{id = 3613}`;
    expect(parseAnchors(`; the root\n\n${line}\n`)).toMatchObject([
      { tag: 3613, algorithm: 15, digestType: 2 },
    ]);
  });

  test.each([
    ['nothing', ''],
    ['another zone', 'test. IN DS 1 8 2 00'],
    ['a short digest', '. IN DS 20326 8 2 E06D44B8'],
    ['SHA-1', `. IN DS 20326 8 1 ${'00'.repeat(20)}`],
    ['no key', '. IN DNSKEY 257 3 15 AAAA'],
    ['prose', 'hello'],
  ])('%s is none', (_what, text) => {
    expect(() => parseAnchors(text)).toThrow(expect.objectContaining({ code: 'wrong-anchors' }));
  });
});

describe('denial by name', () => {
  const bitmap = (present: readonly number[]): Buffer => {
    const block = Buffer.alloc(Math.max(...present, 0) / 8 + 1);
    for (const type of present) block[type >> 3] = (block[type >> 3] ?? 0) | (0x80 >> (type & 7));
    return Buffer.concat([Buffer.of(0, block.length), block]);
  };
  const nsec = (owner: string, next: string, ...present: number[]): ResourceRecord => ({
    name: owner,
    type: types.NSEC,
    ttl: 1,
    data: Buffer.concat([nameToWire(next), bitmap(present)]),
  });
  const of = (name: string, type: number, ...proofs: ResourceRecord[]): string =>
    deny({ name, type, zone: 'b.test.' }, proofs).kind;
  const top = nsec('b.test.', 'd.b.test.', types.SOA, types.NS, types.MX);

  test('a name that is there without the type', () => {
    expect(of('b.test.', types.TXT, top)).toBe('nodata');
    expect(of('b.test.', types.MX, top)).toBe('unproven');
    expect(of('d.b.test.', types.TXT, nsec('d.b.test.', 'e.b.test.', types.CNAME))).toBe('unproven');
  });

  test('a name that is not there, and neither a wildcard', () => {
    expect(of('c.b.test.', types.TXT, top)).toBe('absent');
    expect(of('e.b.test.', types.TXT, nsec('d.b.test.', 'f.b.test.', types.A))).toBe('unproven');
    expect(of('e.b.test.', types.TXT, nsec('d.b.test.', 'f.b.test.', types.A), top)).toBe('absent');
    expect(of('z.b.test.', types.TXT, nsec('y.b.test.', 'b.test.', types.A), top)).toBe('absent');
    expect(of('d.b.test.', types.TXT, top)).toBe('unproven');
  });

  test('a wildcard is there without the type', () => {
    const wildcard = nsec('*.b.test.', 'd.b.test.', types.A);
    expect(of('c.b.test.', types.TXT, wildcard)).toBe('nodata');
    expect(of('c.b.test.', types.A, wildcard)).toBe('unproven');
  });

  test('a name that has only names below it', () => {
    expect(of('c.b.test.', types.TXT, nsec('b.test.', 'x.c.b.test.', types.SOA))).toBe('nodata');
  });

  test('the parent’s span at a delegation says nothing of what lies below', () => {
    const cut = nsec('c.b.test.', 'd.b.test.', types.NS);
    const above = nsec('b.test.', 'c.b.test.', types.SOA, types.NS);
    expect(of('x.c.b.test.', types.TXT, cut, above)).toBe('unproven');
    expect(of('c.b.test.', types.TXT, cut)).toBe('unproven');
    expect(of('c.b.test.', types.DS, cut)).toBe('nodata');
    expect(of('x.c.b.test.', types.TXT, nsec('c.b.test.', 'd.b.test.', types.DNAME), above)).toBe('unproven');
  });

  test('a nearer wildcard, or name, is ruled out for what a wildcard answered', () => {
    const zone = 'b.test.';
    const rules = (name: string, at: string, ...proofs: ResourceRecord[]): string =>
      nearer({ name, zone }, at, proofs);
    expect(rules('x.c.b.test.', zone, top)).toBe('nothing');
    expect(rules('x.c.b.test.', zone, nsec('c.b.test.', 'd.b.test.', types.A))).toBe('unproven');
    expect(rules('x.c.b.test.', zone)).toBe('unproven');
  });
});
