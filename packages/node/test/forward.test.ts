import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createSmtpSender } from '@postern/mail';
import { counterStep, createMetrics, type Metrics, silentLog, snapshotMs } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Counters, createCounters } from '../src/counters.ts';
import { forward } from '../src/forward/forward.ts';
import { createLifetime } from '../src/lifetime.ts';
import { mix } from '../src/mix/mix.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { type Relay, relayExpiresGridMs, type Spool } from '../src/spool.ts';
import { chain, type Stage } from '../src/stage.ts';
import { createTopology, type Topology } from '../src/topology.ts';
import { createWays } from '../src/ways.ts';
import { consensusOf, makeCertificate, type Peer, startPeer } from './peers.ts';
import { relayVerdict, unit } from './spool-contract.ts';
import { type FakeClock, fakeClock, seeded, until } from './support.ts';

const start = Date.UTC(2033, 1, 2, 3, 4, 5);
const id = 'ab'.repeat(32);
const next = { kind: 'node', id } as const;

let folder = '';
let clock: FakeClock;
let spool: Spool;
let counters: Counters;
let metrics: Metrics;
let topology: Topology;
let stage: Stage<readonly never[]>;
let stack: AsyncDisposableStack;

beforeEach(async () => {
  folder = await storesFolder('forward');
  clock = fakeClock(start);
  stack = new AsyncDisposableStack();
  stack.defer(() => rm(folder, { recursive: true }));
  const random = seeded('forward');
  spool = stack.use(
    await openSqliteSpool({ unitBytes: 32_768, path: join(folder, 'spool.sqlite'), clock, random }),
  );
  const sender = stack.use(createSmtpSender({ ehloName: 'mix.test' }));
  // A series grows as soon as one can.
  metrics = createMetrics({ bytes: (length) => new Uint8Array(length) });
  counters = createCounters(metrics);
  topology = createTopology(clock);
  const lifetime = createLifetime(clock, 10_000);
  const ways = createWays({ topology });
  const context = { clock, random, log: silentLog, spool, counters, ways, sender, lifetime };
  stage = chain(mix(context), forward({ ...context, name: 'mix.test', connectionsPerPeer: 2 }));
  stack.defer(() => {
    lifetime.stop();
    lifetime.ended();
    return stage.close();
  });
});
afterEach(() => stack.disposeAsync());

/** A relay that is due, through the spool as the stage before leaves it. */
async function store(relay: Partial<Relay> = {}): Promise<Uint8Array> {
  await spool.accept(unit());
  const [input] = await spool.claimInputs('packet', 1);
  const times = { dueMs: clock.now(), expiresMs: clock.now() + 5 * 86_400_000 };
  const verdict = relayVerdict({ next, ...times, ...relay });
  const settled = await spool.settle(input?.id ?? '', verdict);
  if (settled.kind !== 'waiting') throw new Error(settled.kind);
  await spool.relays.release([settled.waiting.id]);
  return verdict.relay.bytes;
}

const outcomes = async (): Promise<Record<string, number>> =>
  Object.fromEntries(Object.entries((await counters.values()).forwarded).filter(([, count]) => count > 0));
const happened = (outcome: string): Promise<void> =>
  until(async () => ((await outcomes())[outcome] ?? 0) > 0);
const gone = (): Promise<void> => until(async () => (await spool.counts()).relays === 0);
/** Stands before a peer, and drops the connection in place of its answer to what it took. */
async function cutBehindData(
  peer: Peer,
): Promise<AsyncDisposable & { address: { host: string; port: number }; passes(): void }> {
  let cutting = true;
  const server = createServer((near) => {
    const far = connect(peer.entry.smtp);
    const before = peer.messages.length;
    const end = (): void => {
      near.destroy();
      far.destroy();
    };
    near
      .on('data', (chunk) => far.write(chunk))
      .on('error', end)
      .on('close', end);
    far.on('error', end).on('close', end);
    far.on('data', (chunk) => (cutting && peer.messages.length > before ? end() : near.write(chunk)));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    address: { host: '127.0.0.1', port },
    passes: () => {
      cutting = false;
    },
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

/** Moves time on until a condition holds. */
const timeUntil = (condition: () => Promise<boolean>): Promise<void> =>
  until(async () => {
    await clock.advance(500);
    return condition();
  });

test('a relay leaves in a carriage of its own, and is gone from the spool', async () => {
  await using peer = await startPeer(id, 'mix2.test');
  topology.update(consensusOf([peer.entry], clock.now()));
  const bytes = await store();
  await gone();
  expect(peer.taken).toEqual([Buffer.from(bytes)]);
  const text = Buffer.from(peer.messages[0] ?? []).toString('latin1');
  expect(text).not.toMatch(/^Received:/im);
  expect(text).toContain('From: <secure@mix.test>');
});

test('an exit goes to the gateway that names the domain, at the domain’s own mailbox', async () => {
  await using gate = await startPeer('cd'.repeat(32), 'gate.test');
  topology.update(consensusOf([{ ...gate.entry, roles: ['delivery'], domains: ['b.test'] }], clock.now()));
  await store({ next: { kind: 'domain', domain: 'b.test' } });
  await gone();
  expect(Buffer.from(gate.messages[0] ?? []).toString('latin1')).toContain('To: <secure@b.test>');
});

test('a peer with another key than the consensus names gets nothing, and nothing is lost', async () => {
  await using peer = await startPeer(id, 'mix2.test');
  const { pin } = await makeCertificate('mix2.test');
  topology.update(consensusOf([{ ...peer.entry, tlsPins: [pin] }], clock.now()));
  await store();
  await happened('untrusted');
  expect(peer.messages).toEqual([]);
  expect(await spool.counts()).toMatchObject({ relays: 1 });
  topology.update(consensusOf([peer.entry], clock.now()));
  await timeUntil(async () => peer.taken.length === 1);
  await gone();
});

test('without a valid consensus nothing is sent and nothing is lost', async () => {
  await using peer = await startPeer(id, 'mix2.test');
  topology.update(consensusOf([peer.entry], clock.now()));
  await clock.advance(10_800_000);
  await store({ expiresMs: clock.now() + 86_400_000 });
  await happened('no-consensus');
  expect(peer.messages).toEqual([]);
  topology.update(consensusOf([peer.entry], clock.now()));
  await timeUntil(async () => peer.taken.length === 1);
  await gone();
});

test('a next hop that the consensus does not know is waited for', async () => {
  await using peer = await startPeer(id, 'mix2.test');
  topology.update(consensusOf([], clock.now()));
  await store();
  await happened('no-route');
  topology.update(consensusOf([peer.entry], clock.now()));
  await timeUntil(async () => peer.taken.length === 1);
  expect(peer.messages).toHaveLength(1);
});

test('a next hop that is no mix gets nothing: the relay is dropped and counted, unless the consensus may be behind', async () => {
  await using gate = await startPeer(id, 'gate.test');
  const entry = { ...gate.entry, roles: ['delivery' as const], layer: 0 };
  topology.update(consensusOf([entry], clock.now() - 3_600_000));
  await store();
  await happened('no-route');
  expect(await spool.counts()).toMatchObject({ relays: 1 });
  topology.update(consensusOf([entry], clock.now()));
  await timeUntil(async () => (await spool.counts()).relays === 0);
  expect(await outcomes()).toMatchObject({ 'no-mix': 1 });
  expect(gate.messages).toEqual([]);
});

test('Q8 a packet whose answer got lost lies at the peer, perhaps, and goes again as the same bytes', async () => {
  await using peer = await startPeer(id, 'mix2.test');
  await using between = await cutBehindData(peer);
  topology.update(consensusOf([{ ...peer.entry, smtp: between.address }], clock.now()));
  const bytes = await store();
  await happened('deferred');
  expect(peer.taken).toEqual([Buffer.from(bytes)]);
  expect(await spool.counts()).toMatchObject({ relays: 1 });
  between.passes();
  await timeUntil(async () => (await spool.counts()).relays === 0);
  expect(peer.taken).toEqual([Buffer.from(bytes), Buffer.from(bytes)]);
  expect(Buffer.compare(peer.messages[0] ?? bytes, peer.messages[1] ?? bytes)).not.toBe(0);
  expect(await outcomes()).toMatchObject({ deferred: 1, sent: 1 });
});

test('every attempt has the same bytes in another carriage, at growing intervals', async () => {
  await using peer = await startPeer(id, 'mix2.test');
  topology.update(consensusOf([peer.entry], clock.now()));
  peer.decide({ kind: 'deferred', text: 'later' });
  const bytes = await store();
  const times: number[] = [];
  await timeUntil(async () => {
    if (peer.messages.length > times.length) times.push(clock.now());
    return times.length === 6;
  });
  const gaps = times.slice(1).map((at, index) => at - (times[index] ?? 0));
  expect(gaps[4]).toBeGreaterThan((gaps[0] ?? 0) * 2);
  expect(new Set(peer.messages.map((one) => Buffer.from(one).toString('latin1'))).size).toBe(6);
  peer.decide({ kind: 'accepted' });
  await timeUntil(async () => peer.taken.length === 1);
  expect(peer.taken).toEqual([Buffer.from(bytes)]);
});

test('a permanent refusal is tried again, and what has expired is dropped and counted', async () => {
  await using peer = await startPeer(id, 'mix2.test');
  topology.update(consensusOf([peer.entry], clock.now()));
  peer.decide({ kind: 'rejected', code: 554, enhanced: '5.7.1', text: 'no' });
  await store({ expiresMs: clock.now() + 1 });
  await happened('refused');
  expect(await spool.counts()).toMatchObject({ relays: 1 });
  await clock.advance(relayExpiresGridMs);
  await timeUntil(async () => (await spool.counts()).relays === 0);
  expect(await outcomes()).toMatchObject({ expired: 1 });
});

test('a peer that cannot be reached does not keep others from theirs', async () => {
  await using peer = await startPeer(id, 'mix2.test');
  const gonePeer = await startPeer('cd'.repeat(32), 'mix3.test');
  await gonePeer[Symbol.asyncDispose]();
  topology.update(consensusOf([peer.entry, gonePeer.entry], clock.now()));
  for (let i = 0; i < 6; i++) await store({ next: { kind: 'node', id: gonePeer.entry.id } });
  for (let i = 0; i < 3; i++) await store();
  await until(async () => peer.taken.length === 3);
  await until(async () => (await spool.counts()).relays === 6);
  expect((await outcomes()).sent).toBe(3);
});

test('behind a peer that cannot be reached only those that try it count attempts', async () => {
  const gonePeer = await startPeer(id, 'mix2.test');
  await gonePeer[Symbol.asyncDispose]();
  topology.update(consensusOf([gonePeer.entry], clock.now()));
  for (let i = 0; i < 12; i++) await store();
  await timeUntil(async () => ((await outcomes()).deferred ?? 0) >= 10);
  await stage.close();
  await clock.advance(3_600_000);
  const attempts = (await spool.relays.claim(12)).map((relay) => relay.attempts);
  expect(attempts).toHaveLength(12);
  expect(attempts.reduce((sum, count) => sum + count, 0)).toBe((await outcomes()).deferred);
});

test('behind a peer that takes nothing for now the others stand back, behind one that refuses for good they are tried', async () => {
  await using peer = await startPeer(id, 'mix2.test');
  topology.update(consensusOf([peer.entry], clock.now()));
  const tried = async (): Promise<number> => {
    const before = peer.messages.length;
    const sum = async (): Promise<number> =>
      Object.values(await outcomes()).reduce((all, count) => all + count, 0);
    const counted = await sum();
    for (let i = 0; i < 12; i++) await store();
    await until(async () => (await sum()) >= counted + 12);
    return peer.messages.length - before;
  };
  peer.decide({ kind: 'rejected', code: 554, enhanced: '5.7.1', text: 'no' });
  expect(await tried()).toBe(12);
  peer.decide({ kind: 'deferred', text: 'later' });
  expect(await tried()).toBeLessThan(12);
  expect(await outcomes()).toMatchObject({ postponed: expect.any(Number) });
});

test('a relay that waits for a peer moves what is exported by one step at most, however often it is tried', async () => {
  const gonePeer = await startPeer(id, 'mix2.test');
  await gonePeer[Symbol.asyncDispose]();
  topology.update(consensusOf([gonePeer.entry], clock.now()));
  await store();
  const exported = async (): Promise<number> =>
    [...(await metrics.text()).matchAll(/^postern_node_forwarded_total\S+ (\d+)$/gm)].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  const over = clock.now() + 3 * snapshotMs;
  // Counted each time, it would be two steps.
  await until(async () => {
    await clock.advance(5_000);
    topology.update(consensusOf([gonePeer.entry], clock.now()));
    return clock.now() > over && ((await outcomes()).deferred ?? 0) >= counterStep;
  });
  expect(await exported()).toBeLessThanOrEqual(counterStep);
  expect(await metrics.text()).not.toContain('postponed');
});

test('many relays at once share few connections and each arrives once', async () => {
  await using peer = await startPeer(id, 'mix2.test');
  topology.update(consensusOf([peer.entry], clock.now()));
  const sent = await Promise.all(Array.from({ length: 40 }, () => store()));
  await until(async () => {
    await clock.advance(100);
    return peer.taken.length >= 40;
  });
  await gone();
  const hex = (all: readonly Uint8Array[]) => all.map((one) => Buffer.from(one).toString('hex')).sort();
  expect(hex(peer.taken)).toEqual(hex(sent));
  expect(hex(peer.taken)).not.toEqual(sent.map((one) => Buffer.from(one).toString('hex')));
});
