import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createSmtpSender } from '@postern/mail';
import { createMetrics, silentLog } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Counters, createCounters } from '../src/counters.ts';
import { createDestinations } from '../src/destinations.ts';
import { forward } from '../src/forward/forward.ts';
import { createLifetime } from '../src/lifetime.ts';
import { mix } from '../src/mix/mix.ts';
import type { FoundDestination } from '../src/names.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import type { Next, Spool } from '../src/spool.ts';
import { chain, type Stage } from '../src/stage.ts';
import { createTopology, type Topology } from '../src/topology.ts';
import { createWays } from '../src/ways.ts';
import { consensusOf, makeCertificate, type Peer, startPeer } from './peers.ts';
import { relayVerdict, unit } from './spool-contract.ts';
import { type FakeClock, fakeClock, seeded, until } from './support.ts';

/** What a mix does with exits for domains that the consensus does not name. */
const start = Date.UTC(2033, 1, 2, 3, 4, 5);
const never = new Promise<FoundDestination>(() => undefined);
const inFlight = 40;
const tls = await makeCertificate('mx.b.test');

let stack: AsyncDisposableStack;
let clock: FakeClock;
let spool: Spool;
let counters: Counters;
let topology: Topology;
let exchanger: Peer;
let stage: Stage<readonly never[]>;
let asked: string[];
let answerTo: (domain: string) => Promise<FoundDestination>;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const folder = await storesFolder('exits');
  stack.defer(() => rm(folder, { recursive: true }));
  clock = fakeClock(start);
  const random = seeded('exits');
  const path = join(folder, 'spool.sqlite');
  spool = stack.use(await openSqliteSpool({ unitBytes: 32_768, path, clock, random }));
  counters = createCounters(createMetrics());
  topology = createTopology(clock);
  topology.update(consensusOf([], clock.now()));
  exchanger = stack.use(await startPeer('cd'.repeat(32), 'mx.b.test', { tls }));
  asked = [];
  answerTo = async () => foundAt(exchanger);
  const exits = createDestinations({
    clock,
    random,
    lookUp(domain, signal) {
      asked.push(domain);
      const over = new Promise<FoundDestination>((_, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
      });
      return Promise.race([answerTo(domain), over]);
    },
  });
  stack.defer(() => exits.close());
  const lifetime = createLifetime(clock, 10_000);
  const sender = stack.use(createSmtpSender({ ehloName: 'mix.test' }));
  const exchangers = { require: exits, prefer: exits };
  const ways = createWays({ topology, exits, exchangers: { authors: exchangers, others: exchangers } });
  const context = { clock, random, log: silentLog, spool, counters, ways, sender, lifetime, inFlight };
  stage = chain(mix(context), forward({ ...context, name: 'mix.test', connectionsPerPeer: 2 }));
  stack.defer(() => {
    lifetime.stop();
    lifetime.ended();
    return stage.close();
  });
});
afterEach(() => stack.disposeAsync());

function foundAt({ entry }: Peer): FoundDestination {
  const peers = [{ ...entry.smtp, tls: { kind: 'pin' as const, pins: entry.tlsPins } }];
  return { kind: 'found', peers, tls: 'require', ttlSeconds: 600 };
}

async function store(next: Next): Promise<Uint8Array> {
  await spool.accept(unit());
  const [input] = await spool.claimInputs('packet', 1);
  const times = { dueMs: clock.now(), expiresMs: clock.now() + 5 * 86_400_000 };
  const verdict = relayVerdict({ next, ...times });
  const settled = await spool.settle(input?.id ?? '', verdict);
  if (settled.kind !== 'waiting') throw new Error(settled.kind);
  await spool.relays.release([settled.waiting.id]);
  return verdict.relay.bytes;
}

const to = (domain: string): Next => ({ kind: 'domain', domain });
const counted = async (outcome: string): Promise<number> => (await counters.values()).forwarded[outcome] ?? 0;
/** Moves time on until a condition holds. */
const timeUntil = (condition: () => boolean | Promise<boolean>): Promise<void> =>
  until(async () => {
    await clock.advance(500);
    return condition();
  });
const gone = async (): Promise<boolean> => (await spool.counts()).relays === 0;

test('an exit goes to the mail exchanger that the domain names, as a carriage of the mix that comes back to nobody', async () => {
  const bytes = await store(to('b.test'));
  await timeUntil(gone);
  expect(exchanger.taken).toEqual([Buffer.from(bytes)]);
  expect(exchanger.returnPaths).toEqual(['']);
  const text = Buffer.from(exchanger.messages[0] ?? []).toString('latin1');
  expect(text).toContain('From: <secure@mix.test>\r\nTo: <secure@b.test>\r\n');
  expect(text).not.toMatch(/^(?:DKIM-Signature|TLS-Required|Received):/im);
});

test('of a domain that the consensus names DNS is not asked', async () => {
  const { entry } = exchanger;
  topology.update(consensusOf([{ ...entry, roles: ['delivery'], domains: ['b.test'] }], clock.now()));
  await store(to('b.test'));
  await timeUntil(gone);
  expect(exchanger.taken).toHaveLength(1);
  expect(asked).toEqual([]);
});

test.each([
  ['no-part', { kind: 'no-part', ttlSeconds: 300 }],
  ['no-exchange', { kind: 'refused', code: 556, enhanced: '5.1.10', ttlSeconds: 300 }],
] as const)('%s: nobody is connected to, the relay is dropped and counted', async (outcome, exit) => {
  answerTo = async () => exit;
  await store(to('c.test'));
  await timeUntil(gone);
  expect(await counted(outcome)).toBe(1);
  expect(exchanger.messages).toEqual([]);
});

test.each(['failed', 'unverifiable'] as const)('%s is for now, and nothing is lost', async (kind) => {
  answerTo = async () => ({ kind });
  await store(to('b.test'));
  await timeUntil(async () => (await counted(kind === 'failed' ? 'no-route' : kind)) > 0);
  expect(await spool.counts()).toMatchObject({ relays: 1 });
  expect(exchanger.messages).toEqual([]);
  answerTo = async () => foundAt(exchanger);
  await timeUntil(gone);
  expect(exchanger.taken).toHaveLength(1);
});

test('what the exchanger refuses for good is dropped and counted', async () => {
  exchanger.decide({ kind: 'rejected', code: 550, enhanced: '5.1.1', text: 'no such mailbox' });
  await store(to('b.test'));
  await timeUntil(gone);
  expect(await counted('refused')).toBe(1);
  expect(exchanger.messages).toHaveLength(1);
});

test.each([
  ['packets that a mix passes on', to],
  ['what a gateway’s domain answers for', (domain: string): Next => ({ kind: 'domain', domain, own: true })],
])(
  '%s, for domains whose name servers never answer and more than may be under way, keeps no other from its way',
  async (_, toDomain) => {
    await using next = await startPeer('ab'.repeat(32), 'mix2.test');
    topology.update(consensusOf([next.entry], clock.now()));
    answerTo = (domain) => (domain === 'b.test' ? Promise.resolve(foundAt(exchanger)) : never);
    await store(toDomain('b.test'));
    await timeUntil(gone);
    const silent = 2 * inFlight;
    await Promise.all(Array.from({ length: silent }, (_, at) => store(toDomain(`mail.evil${at}.test`))));
    const packets = await Promise.all(
      Array.from({ length: 20 }, () => store({ kind: 'node', id: next.entry.id })),
    );
    // All are due at the next full second; a look-up takes twenty, and no more time passes than this.
    await clock.advance(1_000);
    await until(() => next.taken.length === packets.length);
    await store(toDomain('b.test'));
    await clock.advance(1_000);
    await until(() => exchanger.taken.length === 2);
    expect(asked.length).toBe(1 + 12);
    await until(async () => (await counted('asking')) >= silent);
    expect(await spool.counts()).toMatchObject({ relays: silent });
  },
);
