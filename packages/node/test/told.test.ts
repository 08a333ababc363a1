import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createDkimSigner, createSmtpSender, generateDkimKeys, readReport } from '@postern/mail';
import { createMetrics, silentLog } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Counters, createCounters } from '../src/counters.ts';
import type { Destination, Destinations } from '../src/destinations.ts';
import { forward } from '../src/forward/forward.ts';
import { createLifetime } from '../src/lifetime.ts';
import { mix } from '../src/mix/mix.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { createLetters } from '../src/report/letter.ts';
import type { NextDomain, Spool } from '../src/spool.ts';
import { chain, type Stage } from '../src/stage.ts';
import { createTopology } from '../src/topology.ts';
import { createWays } from '../src/ways.ts';
import { type Peer, startPeer } from './peers.ts';
import { fragment, relayVerdict, unit } from './spool-contract.ts';
import { type FakeClock, fakeClock, seeded, until } from './support.ts';

/** What a gateway sends for its own authors, and what it tells them. */
const start = Date.UTC(2033, 0, 2, 0, 0, 0);
const hourMs = 3_600_000;
const token = 'ab'.repeat(16);
const b: NextDomain = { kind: 'domain', domain: 'b.test', own: true };

let stack: AsyncDisposableStack;
let clock: FakeClock;
let spool: Spool;
let counters: Counters;
let peer: Peer;
let exchanges: (tls: 'require' | 'prefer') => Destination;
let stage: Stage<readonly never[]>;
const random = seeded('authors');

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const folder = await storesFolder('authors');
  stack.defer(() => rm(folder, { recursive: true }));
  clock = fakeClock(start);
  const path = join(folder, 'spool.sqlite');
  spool = stack.use(await openSqliteSpool({ unitBytes: 32_768, path, clock, random }));
  counters = createCounters(createMetrics());
  peer = stack.use(await startPeer('cd'.repeat(32), 'mx.b.test'));
  const { entry } = peer;
  exchanges = () => ({
    kind: 'found',
    peers: [{ ...entry.smtp, tls: { kind: 'pin', pins: entry.tlsPins } }],
    tls: 'require',
  });
  const lifetime = createLifetime(clock, 10_000);
  const sender = stack.use(createSmtpSender({ ehloName: 'gate.a.test' }));
  const exchangersOf = (tls: 'require' | 'prefer'): Destinations => ({
    find: () => exchanges(tls),
    close: async () => undefined,
  });
  const exchangers = { require: exchangersOf('require'), prefer: exchangersOf('prefer') };
  const ways = createWays({
    topology: { ...createTopology(clock), find: () => ({ kind: 'no-route' }) },
    exchangers: { authors: exchangers, others: exchangers },
  });
  const common = { clock, random, log: silentLog, spool, counters, lifetime };
  const signer = createDkimSigner({
    domain: 'a.test',
    keys: await generateDkimKeys((n) => random.bytes(n)),
  });
  stage = chain(
    mix(common),
    forward({
      ...common,
      name: 'gate.a.test',
      own: { domain: 'a.test', signer, mixes: false },
      sender,
      ways,
      connectionsPerPeer: 2,
      authors: {
        composeLetter: createLetters({ clock, random, domain: 'a.test' }),
        lateMs: 5 * 24 * hourMs - 4 * hourMs,
      },
    }),
  );
  stack.defer(() => {
    lifetime.stop();
    lifetime.ended();
    return stage.close();
  });
});
afterEach(() => stack.disposeAsync());

async function submit(next = b, expiresMs = start + 5 * 24 * hourMs): Promise<Uint8Array> {
  const { relay } = relayVerdict({ next, dueMs: clock.now(), expiresMs });
  const author = 'alice@a.test';
  await spool.submit({ relay, token, author, tokenExpiresMs: start + 14 * 24 * hourMs });
  return relay.bytes;
}

/** The letters that wait for delivery, as an author's program reads them. */
async function letters() {
  const sets = await spool.sets.claim(10);
  await spool.sets.release(sets.map(({ id }) => id));
  const fragments = await Promise.all(sets.map(({ id }) => spool.sets.read(id)));
  return fragments.flatMap((found = []) =>
    found.map(({ recipient, data }) => ({ recipient, report: readReport(data) })),
  );
}
const told = (count: number): Promise<void> => until(async () => (await letters()).length === count);
const timeUntil = (condition: () => Promise<boolean>): Promise<void> =>
  until(async () => {
    await clock.advance(900_000);
    return condition();
  });

test('goes from the domain’s mailbox, signed, with an id by which other servers can report', async () => {
  const bytes = await submit();
  await until(async () => (await spool.counts()).relays === 0);
  expect(peer.taken).toEqual([Buffer.from(bytes)]);
  const text = Buffer.from(peer.messages[0] ?? []).toString('latin1');
  expect(text.match(/^DKIM-Signature:/gm)).toHaveLength(2);
  expect(text).toContain('From: <secure@a.test>\r\nTo: <secure@b.test>\r\n');
  expect(text).not.toMatch(/alice|TLS-Required/);
  const [, carriage = ''] = /^Message-ID: <([0-9a-f]{32})@a\.test>/m.exec(text) ?? [];
  expect(carriage).not.toBe(token);
  expect(await spool.returns.find({ carriage })).toMatchObject({ token, author: 'alice@a.test' });
});

test('may go without verified TLS only when the author said so, and says so itself', async () => {
  const asked: string[] = [];
  const found = exchanges;
  exchanges = (tls) => {
    asked.push(tls);
    return found(tls);
  };
  await submit({ ...b, tlsOptional: true });
  await until(async () => (await spool.counts()).relays === 0);
  expect(asked).toEqual(['prefer']);
  expect(Buffer.from(peer.messages[0] ?? []).toString('latin1')).toMatch(/^TLS-Required: No\r$/m);
});

test('what a mix passes on goes where the consensus says, and DNS is asked for nobody’s sake', async () => {
  const asked: string[] = [];
  const found = exchanges;
  exchanges = (tls) => {
    asked.push(tls);
    return found(tls);
  };
  await spool.accept(unit());
  const [input] = await spool.claimInputs('packet', 1);
  const times = { dueMs: clock.now(), expiresMs: start + 24 * hourMs };
  const verdict = relayVerdict({ next: { kind: 'domain', domain: 'b.test' }, ...times });
  const settled = await spool.settle(input?.id ?? '', verdict);
  await spool.relays.release(settled.kind === 'waiting' ? [settled.waiting.id] : []);
  await until(async () => ((await counters.values()).forwarded.unlisted ?? 0) > 0);
  expect(await spool.counts()).toMatchObject({ relays: 1 });
  expect(asked).toEqual([]);
  expect(peer.messages).toEqual([]);
});

describe('its author is told', () => {
  test('what the next server refused for good, once', async () => {
    peer.decide({ kind: 'rejected', code: 550, enhanced: '5.7.1', text: 'not from you' });
    await submit();
    await told(1);
    const [letter] = await letters();
    expect(letter).toMatchObject({
      recipient: 'alice@a.test',
      report: { kind: 'report', token, action: 'failed', status: '5.7.1', finalRecipient: 'secure@b.test' },
    });
    expect(await spool.counts()).toMatchObject({ relays: 0 });
    expect(await spool.returns.find({ token })).toBeUndefined();
    // The rest of the message may come after its first part has failed.
    await submit();
    await until(async () => (await spool.counts()).relays === 0);
    await told(1);
  });

  test('Q6 a delay, once, and in the end that it expired', async () => {
    exchanges = () => ({ kind: 'unverifiable' });
    await submit();
    await timeUntil(async () => (await letters()).length === 1);
    expect(clock.now() - start).toBeGreaterThanOrEqual(4 * hourMs);
    expect(await letters()).toMatchObject([{ report: { action: 'delayed', status: '4.7.5' } }]);
    await clock.advance(4 * 24 * hourMs);
    await timeUntil(async () => (await letters()).length === 2);
    const actions = (await letters()).map(({ report }) => report.kind === 'report' && report.action);
    expect(actions.sort()).toEqual(['delayed', 'failed']);
    expect(await spool.counts()).toMatchObject({ relays: 0 });
    expect(peer.messages).toEqual([]);
  });

  test('that the domain takes no mail', async () => {
    exchanges = () => ({ kind: 'refused', enhanced: '5.1.10' });
    await submit();
    await told(1);
    expect(await letters()).toMatchObject([{ report: { action: 'failed', status: '5.1.10' } }]);
  });

  test('nothing, while it may still arrive', async () => {
    exchanges = () => ({ kind: 'failed' });
    await submit();
    await until(async () => ((await counters.values()).forwarded['no-route'] ?? 0) > 0);
    expect(await letters()).toEqual([]);
    expect(await spool.counts()).toMatchObject({ relays: 1 });
  });
});

describe('B2 a report that comes to nothing', () => {
  /** As it stands in the spool once a set has failed. */
  async function report(expiresMs = start + 5 * 24 * hourMs): Promise<void> {
    await spool.accept(unit('exit'));
    const [input] = await spool.claimInputs('exit', 1);
    const settled = await spool.settle(input?.id ?? '', { kind: 'fragment', fragment: fragment() });
    const { relay } = relayVerdict({ next: b, dueMs: clock.now(), expiresMs });
    await spool.sets.finish(settled.kind === 'complete' ? settled.complete.id : '', relay);
  }
  const over = (): Promise<void> => timeUntil(async () => (await spool.counts()).relays === 0);

  test('refused, it is dropped: it went from nobody, and nobody is told', async () => {
    peer.decide({ kind: 'rejected', code: 550, enhanced: '5.1.1', text: 'no such user' });
    await report();
    await until(() => peer.messages.length > 0);
    await over();
    expect(new Set(peer.returnPaths)).toEqual(new Set(['']));
    expect(await letters()).toEqual([]);
  });

  test('expired, it is dropped the same', async () => {
    exchanges = () => ({ kind: 'unverifiable' });
    await report();
    await over();
    expect(await letters()).toEqual([]);
  });

  test('and what an author is told asks for none', async () => {
    peer.decide({ kind: 'rejected', code: 550, enhanced: '5.1.1', text: 'no such user' });
    await submit();
    await told(1);
    const [letter] = await spool.sets.claim(1);
    expect(await spool.sets.returnInfo(letter?.id ?? '')).toBeUndefined();
  });
});
