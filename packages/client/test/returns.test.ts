import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { composeReport } from '@postern/mail';
import type { Fragment } from '@postern/protocol/envelope';
import { decodeUnit, defaultGeometry, useSurb } from '@postern/protocol/packet';
import {
  decodeReturnInfo,
  encodeReport,
  type Report,
  type ReturnInfo,
  sealReport,
} from '@postern/protocol/report';
import { beforeEach, describe, expect, test } from 'vitest';
import type { SendOutcome, SendRequest } from '../src/index.ts';
import { givePassword, type Handed, type Msa, startMsa } from './msa.ts';
import { type Network, startNetwork } from './network.ts';
import { introduce, message, type Person, person } from './people.ts';

const now = Date.UTC(2026, 0, 1, 12, 34, 56);
const toBob = message({
  From: 'alice@a.test',
  To: 'Bob <bob@b.test>',
  Subject: '=?utf-8?Q?lunch?=\r\n =?iso-8859-1?Q?_=E0?= la\r\n carte',
  'Message-ID': '<lunch@a.test>',
});
const long = message(
  { From: 'alice@a.test', To: 'bob@b.test', 'Message-ID': '<long@a.test>' },
  `${'x'.repeat(70)}\r\n`.repeat(1500),
);
const said: Report = {
  action: 'failed',
  made: Date.UTC(2026, 0, 1, 13) / 1000,
  status: '5.1.1',
  recipient: 'bob@b.test',
  diagnostic: '550 no such user',
};

let network: Network;
let msa: Msa;
let alice: Person;

beforeEach(async () => {
  network = await startNetwork({ now, mixesPerLayer: 1 });
  msa = await startMsa();
  const config = msa.into(network.config('alice@a.test'));
  alice = await person(network, 'alice@a.test', now, { config, password: givePassword });
  await introduce(network, alice, await person(network, 'bob@b.test', now));
});

async function sent(
  original: Uint8Array,
  request: SendRequest,
): Promise<Extract<SendOutcome, { kind: 'sent' }>> {
  const outcome = await alice.client.send(original, request);
  if (outcome.kind === 'sent') return outcome;
  throw new Error(outcome.problems.map((problem) => problem.message).join('; '));
}

/** What the recipient's gateway finds in what was handed over. */
function fragmentOf({ bytes, toDomain }: Handed): Promise<Fragment> {
  const mix = network.mixes.find(({ entry }) => entry.name === toDomain);
  const arrived =
    mix === undefined ? { domain: toDomain, unit: bytes } : network.through(mix.entry.id, bytes);
  return network.unwrap(arrived);
}

const infoOf = ({ returnInfo }: Fragment): ReturnInfo => {
  const info = decodeReturnInfo(defaultGeometry, returnInfo);
  if (info.kind === 'refused') throw new Error(info.reason);
  return info;
};

type Sealed = NonNullable<Parameters<typeof composeReport>[0]['sealed']>;

/** The mail that the author's gateway makes of what came. */
function letter(token: string, sealed?: Sealed, change: Partial<Parameters<typeof composeReport>[0]> = {}) {
  return composeReport({
    author: 'alice@a.test',
    domain: 'a.test',
    token,
    action: 'failed',
    ...(sealed === undefined ? {} : { sealed }),
    now: new Date(now),
    random: (length) => new Uint8Array(length),
    ...change,
  });
}

/** A report through the mixes of the reply block: what its author's gateway gets, and by which token. */
function replied(info: ReturnInfo, report: Report): { token: string; sealed: Sealed } {
  if (info.kind !== 'surb') throw new Error(`no reply block: ${info.kind}`);
  const payload = new Uint8Array(defaultGeometry.payloadBytes);
  payload.set(encodeReport(report));
  const { firstNode, packet } = useSurb(defaultGeometry, info.surb, payload);
  const arrived = network.through(Buffer.from(firstNode).toString('hex'), packet);
  expect(arrived.domain).toBe('a.test');
  const unit = decodeUnit(defaultGeometry, arrived.unit);
  if (unit.kind !== 'reply') throw new Error(`no reply: ${unit.kind}`);
  return { token: Buffer.from(unit.surbId).toString('hex'), sealed: { kind: 'reply', data: unit.body } };
}

async function directly(): Promise<{ token: string; key: Uint8Array; set: string }> {
  const { id: set } = await sent(toBob, { mode: 'direct' });
  const [handed] = msa.handed;
  if (handed === undefined) throw new Error('nothing was handed over');
  const info = infoOf(await fragmentOf(handed));
  if (info.kind !== 'domain') throw new Error(`not by domain: ${info.kind}`);
  expect(info.domain).toBe('a.test');
  const token = Buffer.from(info.token).toString('hex');
  expect(token).toBe(handed.id);
  expect(info.expires).toBe(Math.floor(now / 3_600_000 + 37 * 24) * 3_600);
  return { token, key: info.key, set };
}

const records = (): Promise<string[]> => readdir(alice.client.paths.returns);

describe('through mixes', () => {
  test('a report comes back by the reply block, is opened, and then nothing more counts', async () => {
    const { id, recipients } = await sent(toBob, {});
    expect(recipients[0]).toMatchObject({ mode: 'mix', reports: true });
    const [handed] = msa.handed;
    if (handed === undefined) throw new Error('nothing was handed over');
    const { token, sealed } = replied(infoOf(await fragmentOf(handed)), said);
    expect(token).toBe(handed.id);
    expect(await alice.client.open(letter(token, sealed))).toEqual({
      kind: 'report',
      token,
      set: id,
      messageId: '<lunch@a.test>',
      subject: 'lunch à la carte',
      to: 'Bob <bob@b.test>',
      recipient: 'bob@b.test',
      action: 'failed',
      status: '5.1.1',
      diagnostic: '550 no such user',
      sealed: true,
    });
    await alice.client.forgetReturn(token);
    expect(await records()).toEqual([]);
    expect(await alice.client.open(letter(token, sealed))).toEqual({
      kind: 'refused',
      reason: 'unknown-report',
    });
  });

  test('of many fragments the first alone has the reply block, and all fit', async () => {
    await sent(long, {});
    expect(msa.handed.length).toBeGreaterThan(3);
    const fragments = await Promise.all(msa.handed.map(fragmentOf));
    const kinds = fragments.map((fragment) => [fragment.index, infoOf(fragment).kind] as const);
    expect(kinds.sort(([a], [b]) => a - b)).toEqual(
      fragments.map((_, index) => [index, index === 0 ? 'surb' : 'none']),
    );
  });

  test('another answer by the same block, or one that is no report, does not open', async () => {
    await sent(toBob, {});
    const [handed] = msa.handed;
    if (handed === undefined) throw new Error('nothing was handed over');
    const { token, sealed } = replied(infoOf(await fragmentOf(handed)), said);
    const data = new Uint8Array(sealed.data);
    data[100] = (data[100] ?? 0) ^ 1;
    for (const damaged of [
      { kind: 'reply' as const, data },
      { kind: 'reply' as const, data: data.subarray(1) },
      { kind: 'sealed' as const, data: new Uint8Array(540) },
    ])
      expect(await alice.client.open(letter(token, damaged))).toMatchObject({
        kind: 'refused',
        reason: 'damaged-report',
        messageId: '<lunch@a.test>',
      });
    expect(await records()).toEqual([`${token}.json`]);
    expect(await alice.client.open(letter(token, sealed))).toMatchObject({ kind: 'report' });
  });

  test('when nobody serves the own domain there is no reply block, but the own gateway can tell', async () => {
    const { consensus } = network;
    network.consensus = {
      ...consensus,
      nodes: consensus.nodes.map((node) =>
        node.roles.includes('delivery') ? { ...node, domains: ['b.test'] } : node,
      ),
    };
    const { recipients } = await sent(toBob, {});
    expect(recipients[0]).toMatchObject({ mode: 'mix', reports: false });
    const [handed] = msa.handed;
    if (handed === undefined) throw new Error('nothing was handed over');
    expect(infoOf(await fragmentOf(handed)).kind).toBe('none');
    const own = { status: '4.4.7', finalRecipient: 'secure@m1-0.test', diagnostic: 'nobody answers' };
    expect(await alice.client.open(letter(handed.id, undefined, own))).toMatchObject({
      kind: 'report',
      recipient: 'secure@m1-0.test',
      status: '4.4.7',
      diagnostic: 'nobody answers',
      sealed: false,
    });
    const foreign = await alice.client.open(letter(handed.id, undefined, { status: '5.7.1' }));
    expect(foreign).toMatchObject({ kind: 'report', status: '5.7.1' });
    expect(foreign).not.toHaveProperty('recipient');
  });
});

describe('direct', () => {
  test('a report comes sealed under the key that went along, and is opened', async () => {
    const { token, key, set } = await directly();
    const sealed: Sealed = { kind: 'sealed', data: sealReport(key, said) };
    expect(await alice.client.open(letter(token, sealed))).toMatchObject({
      kind: 'report',
      set,
      messageId: '<lunch@a.test>',
      recipient: 'bob@b.test',
      status: '5.1.1',
      sealed: true,
    });
  });

  test('every fragment can report', async () => {
    await sent(long, { mode: 'direct' });
    const fragments = await Promise.all(msa.handed.map(fragmentOf));
    expect(fragments.length).toBeGreaterThan(3);
    const infos = fragments.map((fragment) => Buffer.from(fragment.returnInfo).toString('hex'));
    expect(new Set(infos).size).toBe(1);
  });

  test('sealed under another key it is damaged or forged, and the record stays', async () => {
    const { token } = await directly();
    const sealed: Sealed = { kind: 'sealed', data: sealReport(new Uint8Array(32), said) };
    expect(await alice.client.open(letter(token, sealed))).toMatchObject({ reason: 'damaged-report' });
    expect(await records()).toEqual([`${token}.json`]);
  });
});

test('a report of a token that is not known here is told as such', async () => {
  expect(await alice.client.open(letter('ab'.repeat(16)))).toEqual({
    kind: 'refused',
    reason: 'unknown-report',
  });
});

test('without a copy, or a key that opens it, the report is told all the same', async () => {
  const { token, key, set } = await directly();
  await writeFile(join(alice.client.paths.sent, `${set}.eml`), 'From: x@y.test\r\n\r\nno copy\r\n');
  const opened = await alice.client.open(letter(token, { kind: 'sealed', data: sealReport(key, said) }));
  expect(opened).toMatchObject({ kind: 'report', recipient: 'bob@b.test' });
  expect(opened).not.toHaveProperty('subject');
});

test('what is kept names neither recipient nor text, is for its owner only, and goes after its time', async () => {
  const { token } = await directly();
  const path = join(alice.client.paths.returns, `${token}.json`);
  const text = await readFile(path, 'utf8');
  expect(text).not.toMatch(/bob|b\.test|Subject/);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const { expires } = JSON.parse(text);
  alice.clock.ms = expires * 1000;
  expect(await alice.client.open(letter(token))).toMatchObject({ reason: 'unknown-report' });
  const { createClient } = await import('../src/index.ts');
  await using later = createClient({
    paths: alice.client.paths,
    config: network.config('alice@a.test'),
    clock: alice.clock,
  });
  await later.flush({ timeoutMs: 0 });
  expect(await records()).toEqual([]);
});

test('each recipient has a token of their own', async () => {
  const carol = await person(network, 'carol@b.test', now);
  await introduce(network, alice, carol);
  await sent(message({ From: 'alice@a.test', To: 'bob@b.test, carol@b.test' }), { mode: 'direct' });
  expect(new Set(msa.handed.map(({ id }) => id)).size).toBe(2);
  expect(await records()).toHaveLength(2);
});
