import fc from 'fast-check';
import { expect, test } from 'vitest';
import { defaultGeometry, surbBytes } from '../packet/index.ts';
import {
  decodeReport,
  decodeReturnInfo,
  encodeReport,
  encodeReturnInfo,
  openReport,
  type Report,
  type ReturnInfo,
  reportBytes,
  sealedReportBytes,
  sealReport,
} from './index.ts';

const sample: Report = {
  action: 'failed',
  made: 490_000 * 3600,
  status: '5.1.1',
  recipient: 'bob@b.test',
  diagnostic: '550 5.1.1 no such user',
};
const key = new Uint8Array(32).fill(7);

const reports: fc.Arbitrary<Report> = fc.record({
  action: fc.constantFrom('failed', 'delayed'),
  made: fc.nat(0xffff_ffff).map((hours) => hours * 3600),
  status: fc.tuple(fc.constantFrom(4, 5), fc.nat(999), fc.nat(999)).map((parts) => parts.join('.')),
  recipient: fc.constantFrom('bob@b.test', `${'l'.repeat(64)}@${'d'.repeat(60)}.${'e'.repeat(60)}.test`),
  diagnostic: fc.stringMatching(/^[ -~]{0,160}$/),
});

test('a report of the page’s layout', () => {
  const encoded = encodeReport(sample);
  const head = `010100077a100${'5.1.1'.length}`;
  const hex = Buffer.from(encoded).toString('hex');
  expect(hex.startsWith(`${head}${Buffer.from('5.1.1').toString('hex')}0a`)).toBe(true);
  expect(encoded).toHaveLength(reportBytes);
});

test('spec report 3.1: decode undoes encode, and whatever else decodes is what it would be written as', () => {
  fc.assert(
    fc.property(reports, fc.nat(reportBytes - 1), fc.nat(255), (report, at, value) => {
      const encoded = encodeReport(report);
      expect(decodeReport(encoded)).toEqual({ kind: 'report', report });
      const changed = encoded.slice();
      changed[at] = value;
      const decoded = decodeReport(changed);
      const again = decoded.kind === 'report' ? encodeReport(decoded.report) : changed;
      expect(again).toEqual(changed);
    }),
  );
});

test('reports that cannot be are not written', () => {
  const flaws: Partial<Report>[] = [
    { made: 1 },
    { made: -3600 },
    { status: '2.0.0' },
    { status: '5.1' },
    { recipient: 'bob' },
    { diagnostic: 'a\r\nb' },
    { diagnostic: 'é' },
    { diagnostic: 'x'.repeat(161) },
  ];
  for (const flaw of flaws)
    expect(() => encodeReport({ ...sample, ...flaw })).toThrow(
      expect.objectContaining({ code: 'wrong-encoding' }),
    );
});

test('spec report 3.2: only the key opens, and no bit may change', () => {
  const sealed = sealReport(key, sample);
  expect(sealed).toHaveLength(sealedReportBytes);
  expect(openReport(key, sealed)).toEqual({ kind: 'report', report: sample });
  expect(openReport(new Uint8Array(32), sealed)).toEqual({ kind: 'refused', reason: 'damaged' });
  for (let at = 0; at < sealed.length; at++) {
    const changed = sealed.slice();
    changed[at] = (changed[at] ?? 0) ^ (1 << (at % 8));
    expect(openReport(key, changed)).toEqual({ kind: 'refused', reason: 'damaged' });
    expect(openReport(key, sealed.subarray(0, at))).toEqual({ kind: 'refused', reason: 'malformed' });
  }
  expect(sealReport(key, sample)).not.toEqual(sealed);
});

const infos: fc.Arbitrary<ReturnInfo> = fc.oneof(
  fc.constant({ kind: 'none' } as const),
  fc
    .uint8Array({ minLength: surbBytes(defaultGeometry), maxLength: surbBytes(defaultGeometry) })
    .map((surb) => ({ kind: 'surb', surb }) as const),
  fc.record({
    kind: fc.constant('domain' as const),
    domain: fc.constantFrom('a.test', `${'d'.repeat(63)}.example`),
    token: fc.uint8Array({ minLength: 16, maxLength: 16 }),
    key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    expires: fc.nat(0xffff_ffff).map((hours) => hours * 3_600),
  }),
);

test('spec report 2: decode undoes encode; every cut and every longer string is refused', () => {
  fc.assert(
    fc.property(infos, (info) => {
      const encoded = encodeReturnInfo(defaultGeometry, info);
      expect(decodeReturnInfo(defaultGeometry, encoded)).toEqual(info);
      for (let length = 1; length < encoded.length; length += 1 + (length >> 3))
        expect(decodeReturnInfo(defaultGeometry, encoded.subarray(0, length)).kind).toBe('refused');
      const longer = Uint8Array.from([...encoded, 0]);
      expect(decodeReturnInfo(defaultGeometry, longer).kind).toBe('refused');
    }),
  );
});

test('return information that cannot be is not written', () => {
  const domain = { kind: 'domain', token: new Uint8Array(16), key, expires: 0 } as const;
  for (const info of [
    { ...domain, domain: 'A.test' },
    { ...domain, domain: 'a.test', token: new Uint8Array(15) },
    { ...domain, domain: 'a.test', key: new Uint8Array(33) },
    { ...domain, domain: 'a.test', expires: 1 },
    { ...domain, domain: 'a.test', expires: -3_600 },
    { ...domain, domain: 'a.test', expires: 2 ** 32 * 3_600 },
    { kind: 'surb', surb: new Uint8Array(9) } as const,
  ])
    expect(() => encodeReturnInfo(defaultGeometry, info)).toThrow(
      expect.objectContaining({ code: 'wrong-encoding' }),
    );
  expect(decodeReturnInfo(defaultGeometry, Uint8Array.of(3, 0))).toEqual({
    kind: 'refused',
    reason: 'malformed',
  });
});
