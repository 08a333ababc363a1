import { beforeAll, describe, expect, test } from 'vitest';
import { generateDomainKey } from '../envelope/index.ts';
import { type Asked, type Evidence, findingOf, type KnownRecord } from './finding.ts';
import { type DomainRecord, makeRecord } from './record.ts';
import { formatTags } from './tags.ts';

const now = 1_780_000_000;
const hour = 3_600;
let record: DomainRecord;
let other: DomainRecord;

beforeAll(async () => {
  const of = (certificate: Uint8Array): DomainRecord =>
    makeRecord({
      domain: 'b.test',
      certificate,
      tls: 'require',
      mix: true,
      maxBytes: 25_000_000,
      expires: now + 100 * hour,
    });
  const [one, two] = await Promise.all([1, 2].map(() => generateDomainKey('b.test', new Date(now * 1000))));
  record = of(one?.certificate ?? new Uint8Array());
  other = of(two?.certificate ?? new Uint8Array());
});

type Text = Evidence['text'];
type Certificate = Evidence['certificate'];

const found = <R>(secure: boolean, ...records: R[]): Asked<R> => ({
  kind: 'found',
  secure,
  records,
  ttlSeconds: hour,
});
const none = (secure: boolean): Asked<never> => ({ kind: 'none', secure, ttlSeconds: 300 });
const texts = (secure: boolean, ...values: string[]): Text =>
  found(secure, ...values.map((value) => ({ strings: [value] })));
const certificates = (...values: Uint8Array[]): Certificate =>
  found(false, ...values.map((certificate) => ({ certificate })));
const failures = ['bogus', 'servfail', 'timeout', 'unreachable', 'malformed', 'unprovable'] as const;

/** A domain in order, but for what is changed; what is not said is as it should be. */
const find = (change: Partial<Evidence> = {}) =>
  findingOf({
    domain: 'b.test',
    text: texts(true, formatTags(record)),
    certificate: certificates(record.certificate),
    unsigned: 'refuse',
    now,
    ...change,
  });
const known = (vouchedBy: KnownRecord['vouchedBy'], change: Partial<DomainRecord> = {}): KnownRecord => ({
  record: { ...record, ...change },
  vouchedBy,
});

describe('secure and valid', () => {
  test('is used, and its signatures vouch for it', () => {
    expect(find()).toEqual({ kind: 'record', record, vouchedBy: 'dnssec', ttlSeconds: hour });
  });

  test('the certificate needs no proof of its own: the text has its digest', () => {
    for (const secure of [true, false])
      expect(find({ certificate: found(secure, { certificate: record.certificate }) })).toMatchObject({
        kind: 'record',
        vouchedBy: 'dnssec',
      });
    expect(find({ certificate: certificates(other.certificate) })).toEqual({
      kind: 'invalid',
      reason: 'digest-mismatch',
    });
  });

  test('of two certificates the one that the text means', () => {
    const both = certificates(other.certificate, Uint8Array.of(1), record.certificate);
    expect(find({ certificate: both })).toMatchObject({ kind: 'record', record });
  });

  test('the text may come in pieces, and others may lie beside it', () => {
    const tags = formatTags(record);
    const text = found(
      true,
      { strings: ['v=spf1 -all'] },
      { strings: [tags.slice(0, 20), tags.slice(20)] },
      { strings: ['v=SMB'] },
    );
    expect(find({ text })).toMatchObject({ kind: 'record', record });
  });

  test('it lives no longer than either answer, nor than it holds', () => {
    const certificate = { ...certificates(record.certificate), ttlSeconds: 60 } as Certificate;
    expect(find({ certificate })).toMatchObject({ ttlSeconds: 60 });
    expect(find({ now: record.expires - 5 })).toMatchObject({ ttlSeconds: 5 });
  });
});

describe('denial', () => {
  test.each([true, false])('proven or not (%s): the domain does not take part', (secure) => {
    const outcome = { kind: 'does-not-take-part', secure, ttlSeconds: 300 };
    expect(find({ text: none(secure) })).toEqual(outcome);
    expect(find({ text: none(secure), unsigned: 'trust-on-first-use' })).toEqual(outcome);
    expect(find({ text: texts(secure, 'v=spf1 -all') })).toEqual({ ...outcome, ttlSeconds: hour });
  });

  test('once the last good one has expired as well', () => {
    expect(find({ text: none(true), known: known('dnssec', { expires: now }) })).toMatchObject({
      kind: 'does-not-take-part',
    });
  });
});

describe('an unsigned zone', () => {
  const unsigned = (): Partial<Evidence> => ({ text: texts(false, formatTags(record)) });

  test('is refused', () => {
    expect(find(unsigned())).toEqual({ kind: 'unsigned' });
    expect(find({ ...unsigned(), known: known('first-use') })).toEqual({ kind: 'unsigned' });
  });

  test('unless the author chose to trust what is seen first, and it is marked as such', () => {
    expect(find({ ...unsigned(), unsigned: 'trust-on-first-use' })).toEqual({
      kind: 'record',
      record,
      vouchedBy: 'first-use',
      ttlSeconds: hour,
    });
  });

  test('that was signed before is not believed whatever the author chose', () => {
    for (const policy of ['refuse', 'trust-on-first-use'] as const)
      expect(find({ ...unsigned(), unsigned: policy, known: known('dnssec') })).toEqual({
        kind: 'temporary',
        reason: 'no-longer-signed',
        lastGood: known('dnssec'),
      });
  });
});

describe('a temporary failure keeps the last good one', () => {
  test.each(failures)('%s', (reason) => {
    const failed = { kind: 'failed', reason } as const;
    expect(find({ text: failed })).toEqual({ kind: 'temporary', reason });
    expect(find({ certificate: failed })).toEqual({ kind: 'temporary', reason });
    expect(find({ text: failed, unsigned: 'trust-on-first-use' })).toEqual({ kind: 'temporary', reason });
    for (const change of [{ text: failed }, { certificate: failed }])
      expect(find({ ...change, known: known('dnssec') })).toEqual({
        kind: 'temporary',
        reason,
        lastGood: known('dnssec'),
      });
    expect(find({ text: failed, known: known('dnssec', { expires: now }) })).toEqual({
      kind: 'temporary',
      reason,
    });
  });

  test.each(['dnssec', 'first-use', 'pinned'] as const)(
    'a record (%s) that vanished before its exp',
    (vouchedBy) => {
      const lastGood = known(vouchedBy);
      const vanished = { kind: 'temporary', reason: 'vanished', lastGood };
      for (const secure of [true, false])
        expect(find({ text: none(secure), known: lastGood })).toEqual(vanished);
      expect(find({ text: texts(true, 'v=spf1 -all'), known: lastGood })).toEqual(vanished);
      expect(find({ certificate: none(true), known: lastGood })).toEqual(vanished);
    },
  );
});

describe('a record that does not hold', () => {
  test.each<[string, () => Partial<Evidence>]>([
    ['two-texts', () => ({ text: texts(true, formatTags(record), formatTags(other)) })],
    ['unknown-version', () => ({ text: texts(true, formatTags(record).replace('SM1', 'SM2')) })],
    ['wrong-mix', () => ({ text: texts(true, formatTags(record).replace('mix=ok', 'mix=maybe')) })],
    ['expired', () => ({ now: record.expires })],
    [
      'fingerprint-mismatch',
      () => ({ text: texts(true, formatTags({ ...record, fingerprint: '0'.repeat(40) })) }),
    ],
    ['wrong-user-id', () => ({ domain: 'c.test' })],
  ])('%s', (reason, change) => {
    expect(find(change())).toEqual({ kind: 'invalid', reason });
    expect(find({ ...change(), known: known('dnssec') })).toEqual({ kind: 'invalid', reason });
  });

  test('no-certificate, unless there was one and it vanished', () => {
    const nothing = { kind: 'invalid', reason: 'no-certificate' };
    expect(find({ certificate: none(true) })).toEqual(nothing);
    expect(find({ certificate: none(true), known: known('dnssec', { expires: now }) })).toEqual(nothing);
  });
});

describe('a change', () => {
  const tofu = (changed: Partial<DomainRecord>): Partial<Evidence> => ({
    text: texts(false, formatTags({ ...record, ...changed })),
    unsigned: 'trust-on-first-use',
  });

  test.each(['dnssec', 'first-use', 'pinned'] as const)(
    'another key than the one known (%s) waits for a person',
    (vouchedBy) => {
      const before = { record: other, vouchedBy };
      expect(find({ known: before })).toEqual({
        kind: 'changed',
        change: 'another-key',
        record,
        vouchedBy: 'dnssec',
        known: before,
        ttlSeconds: hour,
      });
      // Which key it was counts for longer than the record.
      expect(find({ known: { record: { ...other, expires: 1 }, vouchedBy } })).toMatchObject({
        change: 'another-key',
      });
    },
  );

  test('what signatures vouch for may change otherwise', () => {
    const before = known('dnssec', {
      certificateDigest: '0'.repeat(64),
      tls: 'require',
      expires: record.expires + 1,
    });
    expect(find({ known: before })).toMatchObject({ kind: 'record' });
    expect(find({ known: { ...before, vouchedBy: 'first-use' } })).toMatchObject({
      kind: 'record',
      vouchedBy: 'dnssec',
    });
  });

  test.each<[string, Partial<DomainRecord>, Partial<DomainRecord>]>([
    ['another-certificate', { certificateDigest: '0'.repeat(64) }, {}],
    ['weaker-tls', {}, { tls: 'prefer' }],
    ['older', {}, { expires: now + hour }],
  ])('without signatures: %s', (change, before, brought) => {
    expect(find({ ...tofu(brought), known: known('first-use', before) })).toMatchObject({
      kind: 'changed',
      change,
    });
  });

  test('without signatures: a record that holds longer, or protects better, is none', () => {
    const before = known('first-use', { tls: 'prefer', expires: now + hour });
    expect(find({ ...tofu({}), known: before })).toMatchObject({ kind: 'record', vouchedBy: 'first-use' });
  });
});
