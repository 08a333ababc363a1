import { type Fragment, generateDomainKey, loadEnvelopeKey, openEnvelope } from '@postern/protocol/envelope';
import { decodeUnit, defaultGeometry } from '@postern/protocol/packet';
import { complaint, encodeReturnInfo, type ReturnInfo, tokenLifeSeconds } from '@postern/protocol/report';
import { createMetrics, systemRandom } from '@postern/runtime';
import { expect, test } from 'vitest';
import { type Counters, createCounters } from '../counters.ts';
import type { Relay } from '../spool.ts';
import { type Complain, createComplain } from './complain.ts';
import { createReturnFields, findField } from './field.ts';
import type { FoundDomain } from './report.ts';

const dayMs = 86_400_000;
const hourMs = 3_600_000;
const start = Math.floor(Date.now() / hourMs) * hourMs + 60_000;
const own = await Promise.all([generateDomainKey('b.test'), generateDomainKey('b.test')]);
const [before, present] = own.map(({ secretKey }) => secretKey);
const author = await generateDomainKey('a.test');
const info = {
  kind: 'domain',
  domain: 'a.test',
  token: systemRandom.bytes(16),
  key: systemRandom.bytes(32),
  expires: Math.floor(start / hourMs) * 3_600 + tokenLifeSeconds,
} as const;

const encoded = (returnInfo: ReturnInfo): Uint8Array => encodeReturnInfo(defaultGeometry, returnInfo);

/** The field of a message whose fragments have this return information, and for which that domain answers. */
function fieldOf(
  returnInfos: readonly Uint8Array[] = [encoded(info)],
  attested = 'a.test',
  key: Uint8Array | undefined = present,
): string {
  const keys = { current: () => (key === undefined ? [] : [key]) };
  const write = createReturnFields({ clock, random: systemRandom, geometry: defaultGeometry, keys });
  const setId = systemRandom.bytes(16);
  const fragments = returnInfos.map((returnInfo, index) => ({
    recipient: 'bob@b.test',
    setId,
    index,
    k: returnInfos.length,
    n: returnInfos.length,
    totalBytes: returnInfos.length,
    expires: Math.ceil(start / 3_600_000 + 24) * 3_600,
    returnInfo,
    attestation: Buffer.from(attested),
    data: new Uint8Array(1),
  }));
  return write(fragments, attested);
}

let now = start;
const clock = { now: () => now, wait: () => Promise.resolve() };
const found = { kind: 'record', record: { certificate: author.certificate, tls: 'require' } } as const;

async function openSent(relay: Relay | undefined): Promise<Fragment> {
  const unit = decodeUnit(defaultGeometry, relay?.bytes ?? new Uint8Array());
  if (unit.kind !== 'envelope') throw new Error(unit.kind);
  const opened = await openEnvelope(unit.envelope, [await loadEnvelopeKey(author.secretKey)]);
  if (opened.kind !== 'fragment') throw new Error(opened.reason);
  return opened.fragment;
}

function complainer(
  findDomain: () => FoundDomain = () => found,
  expiryMs = dayMs,
): {
  complain: Complain;
  sent: Relay[];
  counters: Counters;
} {
  now = start;
  const sent: Relay[] = [];
  const counters = createCounters(createMetrics());
  const complain = createComplain({
    clock,
    random: systemRandom,
    geometry: defaultGeometry,
    expiryMs,
    findDomain: async () => findDomain(),
    spool: { send: async (relay) => void sent.push(relay) },
    counters,
    keys: { current: () => [present, before].filter((key) => key !== undefined) },
  });
  return { complain, sent, counters };
}

const fieldValue = (field: string): string => findField(Buffer.from(`${field}\r\nbody`)) ?? '';

test('the author’s domain gets an envelope with the token and a complaint, and nothing of the recipient', async () => {
  const { complain, sent, counters } = complainer();
  expect(await complain(fieldValue(fieldOf()))).toEqual({ kind: 'sent', domain: 'a.test' });
  expect(sent).toMatchObject([{ next: { kind: 'domain', domain: 'a.test', own: true } }]);
  expect(await openSent(sent[0])).toMatchObject({
    recipient: 'secure@a.test',
    setId: info.token,
    data: complaint,
    attestation: new Uint8Array(),
  });
  expect((await counters.values()).complained).toMatchObject({ sent: 1 });
});

test('a key that was replaced still opens', async () => {
  const { complain } = complainer();
  expect(await complain(fieldValue(fieldOf([encoded(info)], 'a.test', before)))).toMatchObject({
    kind: 'sent',
  });
});

test('forged, changed and expired ones are refused and counted', async () => {
  const { complain, sent, counters } = complainer();
  const value = fieldValue(fieldOf());
  const foreign = await generateDomainKey('b.test');
  const forged = fieldValue(fieldOf([encoded(info)], 'a.test', foreign.secretKey));
  const changed = value.replace(/^./, (first) => (first === 'A' ? 'B' : 'A'));
  for (const one of [forged, changed, value.slice(4), ''])
    expect(await complain(one)).toEqual({ kind: 'unknown' });
  now = start + 30 * dayMs;
  expect(await complain(value)).toMatchObject({ kind: 'sent' });
  now += hourMs;
  expect(await complain(value)).toEqual({ kind: 'expired' });
  expect(sent).toHaveLength(1);
  expect((await counters.values()).complained).toMatchObject({ unknown: 4, expired: 1 });
});

test.each([
  [0, 30 * 24 + 1],
  [1, 30 * 24 + 1],
  [7, 25 * 24 - 1],
  [20, 12 * 24 - 1],
  [31, 24 - 1],
])(
  'spec report 7.1: of what was delivered %i days after it was sent one can complain for %i hours, and not in vain',
  async (days, hours) => {
    const { complain, sent } = complainer(undefined, 20 * dayMs);
    now = start + days * dayMs;
    const value = fieldValue(fieldOf());
    now += (hours - 1) * hourMs;
    expect(await complain(value)).toMatchObject({ kind: 'sent' });
    now += hourMs;
    expect(await complain(value)).toEqual({ kind: 'expired' });
    expect((await openSent(sent[0])).expires).toBeLessThanOrEqual(info.expires);
    expect(sent[0]?.expiresMs).toBeLessThanOrEqual(info.expires * 1_000);
  },
);

test('a message has no field once a complaint of it would come too late', () => {
  now = start + 32 * dayMs;
  expect(fieldOf()).toBe('');
  now = start;
});

test('of a domain that takes no part, or cannot be looked up now, the operator is told', async () => {
  const value = fieldValue(fieldOf());
  expect(await complainer(() => ({ kind: 'none' })).complain(value)).toEqual({ kind: 'no-domain' });
  expect(await complainer(() => ({ kind: 'temporary' })).complain(value)).toEqual({ kind: 'later' });
});

test('a message has the field only when all that its fragments ask for is one token at the domain that answers for it', () => {
  const [asking, other] = [encoded(info), encoded({ ...info, token: systemRandom.bytes(16) })];
  const silent = encoded({ kind: 'none' });
  expect(fieldOf([asking], 'c.test')).toBe('');
  expect(fieldOf([silent, silent])).toBe('');
  expect(fieldOf([asking, other])).toBe('');
  expect(fieldOf([asking, Buffer.from('no return information')])).toBe('');
  for (const asked of [
    [silent, asking, silent],
    [asking, asking],
  ])
    expect(fieldValue(fieldOf(asked))).not.toBe('');
});

test('the field is folded, all of one length, and found in a header alone', () => {
  const field = fieldOf();
  const lines = field.split('\r\n');
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(78);
  const longer = `${'d'.repeat(63)}.a.test`;
  expect(fieldOf([encoded({ ...info, domain: longer })], longer)).toHaveLength(field.length);
  const value = fieldValue(field);
  expect(field.replace(/^Postern-Return: |\s+/g, '')).toBe(value);
  expect(findField(Buffer.from(`From: a\n${field.replaceAll('\r\n', '\n')}To: b\n\nbody\n`))).toBe(value);
  expect(findField(Buffer.from(`From: a\r\n\r\n${field}`))).toBeUndefined();
  expect(findField(Buffer.from('Postern-Return: YWJj\r\n\r\n'))).toBeUndefined();
});
