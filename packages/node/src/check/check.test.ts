import {
  certificateOwner,
  type DomainRecord,
  formatZone,
  makeRecord,
  textOwner,
} from '@postern/protocol/dns';
import { generateDomainKey } from '@postern/protocol/envelope';
import type { Answer, RecordType, Resolver } from '@postern/runtime/dns';
import { describe, expect, test } from 'vitest';
import { type CheckDeps, type CheckFinding, checkOwnDomain, type OwnDomain } from './check.ts';

const domain = 'b.test';
const now = Date.UTC(2033, 0, 1) / 1_000;
const day = 86_400;
const { certificate } = await generateDomainKey(domain, new Date((now - day) * 1_000));
const other = await generateDomainKey(domain, new Date((now - day) * 1_000));
const values = { domain, certificate, tls: 'require', mix: true, maxBytes: 25_000_000 } as const;
const record = makeRecord({ ...values, expires: now + 700 * day });
const dkimOwner = 'a._domainkey.b.test';
const own: OwnDomain = {
  record,
  dkim: [{ owner: dkimOwner, text: 'v=DKIM1; p=AAAA' }],
  servers: [
    {
      about: 'submission',
      host: 'gw.b.test',
      port: 465,
      implicitTls: true,
      tls: { kind: 'pin', pins: ['ab'] },
    },
  ],
};

const found = (records: object[], secure = true): Answer =>
  ({ kind: 'found', secure, records, ttlSeconds: 60 }) as Answer;
const none: Answer = { kind: 'none', secure: true, ttlSeconds: 60 };
type Zone = Record<string, Answer>;

function zoneOf(of: DomainRecord, secure = true): Zone {
  const strings = [...(/^\S+ IN TXT (.*)$/m.exec(formatZone(of))?.[1]?.matchAll(/"([^"]*)"/g) ?? [])];
  return {
    [`TXT ${textOwner(domain)}`]: found([{ strings: strings.map(([, text]) => text) }], secure),
    [`OPENPGPKEY ${certificateOwner(domain)}`]: found([{ certificate: of.certificate }], secure),
  };
}

const good: Zone = {
  ...zoneOf(record),
  [`TXT ${dkimOwner}`]: found([{ strings: ['v=DKIM1; ', 'p=AAAA'] }]),
  'A gw.b.test': found([{ address: '192.0.2.1' }]),
};

const exchanger = { host: '192.0.2.2', port: 25, serverName: 'mx.b.test', tlsPin: 'cd' };

function check(zone: Zone = {}, deps: Partial<CheckDeps> = {}, of = own): Promise<CheckFinding[]> {
  const all = { ...good, ...zone };
  const resolver = {
    resolve: async (name: string, type: RecordType) => all[`${type} ${name}`] ?? none,
  } as Resolver;
  return checkOwnDomain(of, {
    resolver,
    now,
    findPeers: async (_, tls) => ({ kind: 'found', peers: [exchanger], tls, ttlSeconds: 60 }),
    reach: async () => 'reached',
    ...deps,
  });
}

test('a domain that is found as it is meant', async () => {
  expect(await check()).toEqual([
    { about: 'record', holds: true, says: `${record.fingerprint}, proven by DNSSEC` },
    { about: 'expiry', holds: true, says: 'holds until 2034-12-02' },
    { about: 'dkim', holds: true, says: dkimOwner },
    { about: 'exchanger', holds: true, says: 'mx.b.test:25, 192.0.2.2' },
    { about: 'submission', holds: true, says: 'gw.b.test:465, 192.0.2.1' },
  ]);
});

const txt = `TXT ${textOwner(domain)}`;
const failedBy = (reason: 'bogus' | 'timeout'): Answer => ({ kind: 'failed', reason });

describe('what does not hold is said, with what mends it', () => {
  const bad = async (about: CheckFinding['about'], ...args: Parameters<typeof check>) => {
    const wrong = (await check(...args)).filter(({ holds }) => !holds);
    expect(wrong.map((each) => each.about)).toEqual([about]);
    return wrong[0];
  };

  test.each<[string, Zone, RegExp, RegExp]>([
    ['no record', { [txt]: none }, /there is none/, /dns zone/],
    ['one that nothing proves', zoneOf(record, false), /nothing proves/, /DS record/],
    ['forged signatures', { [txt]: failedBy('bogus') }, /signatures/, /DS record/],
    ['no answer', { [txt]: failedBy('timeout') }, /timeout/, /resolver/],
    ['two records', { [txt]: found([...two()]) }, /two-texts/, /dns zone/],
    ['an expired one', zoneOf(makeRecord({ ...values, expires: now })), /expired/, /domain renew/],
    [
      'another key',
      zoneOf(makeRecord({ ...values, certificate: other.certificate, expires: record.expires })),
      new RegExp(`the gateway ${record.fingerprint}`),
      /dns zone/,
    ],
    [
      'other values',
      zoneOf(makeRecord({ ...values, tls: 'prefer', expires: now + day })),
      /another tls, expires /,
      /dns zone/,
    ],
  ])('record: %s', async (_, zone, says, mend) => {
    expect(await bad('record', zone)).toMatchObject({
      says: expect.stringMatching(says),
      mend: expect.stringMatching(mend),
    });
  });

  test('a record that is to be renewed within sixty days', async () => {
    const soon = makeRecord({ ...values, expires: now + 60 * day - 1 });
    expect(await bad('expiry', zoneOf(soon), {}, { ...own, record: soon })).toMatchObject({
      says: 'holds until 2033-03-01',
      mend: expect.stringContaining('domain renew'),
    });
  });

  test.each<[string, Answer, RegExp]>([
    ['missing', none, /there is no key/],
    ['another', found([{ strings: ['v=DKIM1; p=BBBB'] }]), /another key/],
    ['on trial', found([{ strings: ['v=DKIM1; t=y; p=AAAA'] }]), /not as it is printed/],
    ['not to be had', failedBy('timeout'), /timeout/],
  ])('dkim: %s', async (_, answer, says) => {
    expect(await bad('dkim', { [`TXT ${dkimOwner}`]: answer })).toMatchObject({
      says: expect.stringMatching(says),
      mend: expect.any(String),
    });
  });

  test.each([
    [{ kind: 'refused', code: 556, enhanced: '5.1.10', ttlSeconds: 60 }, /takes no mail/],
    [{ kind: 'unverifiable' }, /nothing proves/],
    [{ kind: 'failed' }, /no address/],
  ] as const)('exchanger: %o', async (peers, says) => {
    expect(await bad('exchanger', {}, { findPeers: async () => peers })).toMatchObject({
      says: expect.stringMatching(says),
      mend: expect.any(String),
    });
  });

  test.each([
    ['untrusted', /another key/, /dns zone --mx-cert/],
    ['no-tls', /no TLS/, /certificate/],
    ['unreachable', /no way/, /firewall/],
  ] as const)('exchanger: %s', async (reached, says, mend) => {
    const reach: CheckDeps['reach'] = async ({ port }) => (port === 25 ? reached : 'reached');
    expect(await bad('exchanger', {}, { reach })).toMatchObject({
      says: expect.stringMatching(says),
      mend: expect.stringMatching(mend),
    });
  });

  test.each(['untrusted', 'no-tls', 'timeout'] as const)('submission: %s', async (reached) => {
    const reach: CheckDeps['reach'] = async ({ port }) => (port === 465 ? reached : 'reached');
    expect(await bad('submission', {}, { reach })).toMatchObject({ mend: expect.any(String) });
  });

  test('a gateway without an address', async () => {
    expect(await bad('submission', { 'A gw.b.test': none })).toMatchObject({
      says: 'gw.b.test has no address',
    });
  });
});

/** The text, and one more of the same kind. */
function two(): object[] {
  const [text] = (good[txt] as Extract<Answer, { kind: 'found' }>).records;
  return [text ?? {}, { strings: ['v=SM1; other'] }];
}
