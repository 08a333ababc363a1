import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { readReport, type SendResult, type SmtpPeer, type SmtpSender } from '@postern/mail';
import type { NodeEntry } from '@postern/protocol/consensus';
import { createMetrics, silentLog } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Counters, createCounters } from '../src/counters.ts';
import type { Destinations } from '../src/destinations.ts';
import { forward } from '../src/forward/forward.ts';
import { createLifetime } from '../src/lifetime.ts';
import { mix } from '../src/mix/mix.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import { createLetters } from '../src/report/letter.ts';
import type { Next, Relay, Spool } from '../src/spool.ts';
import { chain, type Stage } from '../src/stage.ts';
import { createTopology, type Found } from '../src/topology.ts';
import { createWays, type Ways } from '../src/ways.ts';
import { relayVerdict, unit } from './spool-contract.ts';
import { type FakeClock, fakeClock, seeded, until } from './support.ts';

/** A gateway without a smarthost that is a mix as well, and mail servers and nodes that take a connection and say nothing more. */
const start = Date.UTC(2033, 0, 2);
const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const width = 4;
const inFlight = 320;

let stack: AsyncDisposableStack;
let clock: FakeClock;
let spool: Spool;
let counters: Counters;
let stage: Stage<readonly never[]>;
/** Domains and nodes that hand-overs began to, and those that took something. */
let begun: string[];
let taken: string[];
/** Takes the gateway's own mail, when given. */
let smarthost: string | undefined;
/** How long a server takes for a carriage; for ever when not given. */
let takesMs: (domain: string) => number | undefined;
/** A sender that does not even end when it is told to. */
let deaf: boolean;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const folder = await storesFolder('tarpit');
  stack.defer(() => rm(folder, { recursive: true }));
  clock = fakeClock(start);
  const random = seeded('tarpit');
  const path = join(folder, 'spool.sqlite');
  spool = stack.use(await openSqliteSpool({ unitBytes: 32_768, path, clock, random }));
  counters = createCounters(createMetrics());
  begun = [];
  taken = [];
  deaf = false;
  smarthost = undefined;
  takesMs = (domain) => (domain.startsWith('tarpit') ? undefined : 0);
  const ended = new AbortController();
  const sender: SmtpSender = {
    async send({ host }, { signal }): Promise<SendResult> {
      begun.push(host);
      const ms = takesMs(host);
      const listened = deaf ? ended.signal : AbortSignal.any([signal ?? ended.signal, ended.signal]);
      const isTaken = await clock.wait(clock.now() + (ms ?? Number.POSITIVE_INFINITY), listened).then(
        () => true,
        () => false,
      );
      if (!isTaken) return { kind: 'deferred', reason: 'aborted', maybeDelivered: false };
      taken.push(host);
      return { kind: 'sent', secured: true };
    },
    close: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
  const lifetime = createLifetime(clock, 10_000);
  const found: Destinations = {
    find: (host) => ({
      kind: 'found',
      peers: [{ host, port: 25, tls: { kind: 'opportunistic' } }],
      tls: 'require',
    }),
    close: async () => undefined,
  };
  const exchangers = { require: found, prefer: found };
  const topology = { ...createTopology(clock), find: findNode };
  const byDns = createWays({
    topology,
    exchangers: { authors: exchangers, others: exchangers },
    exits: found,
  });
  const ways: Ways = {
    find(relay) {
      if (smarthost === undefined) return byDns.find(relay);
      const server: SmtpPeer = { host: smarthost, port: 587, tls: { kind: 'opportunistic' } };
      return createWays({ topology, smarthost: { require: server, prefer: server } }).find(relay);
    },
  };
  const common = { clock, random, log: silentLog, spool, counters, lifetime };
  stage = chain(
    mix({ ...common, inFlight }),
    forward({
      ...common,
      inFlight,
      name: 'gate.a.test',
      own: { domain: 'a.test', mixes: true },
      sender,
      ways,
      connectionsPerPeer: width,
      authors: {
        composeLetter: createLetters({ clock, random, domain: 'a.test' }),
        lateMs: 5 * dayMs - 4 * hourMs,
      },
    }),
  );
  stack.defer(() => {
    lifetime.stop();
    ended.abort();
    lifetime.ended();
    return stage.close();
  });
});
afterEach(() => stack.disposeAsync());

/** A node's id tells its name. */
const nodeOf = (name: string): Next => ({ kind: 'node', id: Buffer.from(name.padEnd(32)).toString('hex') });

function findNode(next: Next): Found {
  if (next.kind === 'domain') return { kind: 'no-route' };
  const name = Buffer.from(next.id, 'hex').toString().trim();
  const entry = { smtp: { host: name, port: 25 }, tlsPins: ['ab'.repeat(32)] } as unknown as NodeEntry;
  return { kind: 'found', entry, domain: name };
}

const relayTo = (next: Next): Relay =>
  relayVerdict({ next, dueMs: clock.now(), expiresMs: start + 5 * dayMs }).relay;
const toDomain = (domain: string): Relay => relayTo({ kind: 'domain', domain, own: true });

async function submit(relay: Relay, token: string, author: string): Promise<void> {
  await spool.submit({ relay, token: token.repeat(16), author, tokenExpiresMs: start + 14 * dayMs });
}

async function passOn(relay: Relay): Promise<void> {
  await spool.accept(unit());
  const [input] = await spool.claimInputs('packet', 1);
  const settled = await spool.settle(input?.id ?? '', relayVerdict(relay));
  if (settled.kind === 'waiting') await spool.relays.release([settled.waiting.id]);
}

/** Whose mail it is, and how it comes into the spool. */
const senders = {
  author: (domain: string): Promise<void> => submit(toDomain(domain), 'ab', 'alice@a.test'),
  'another author': (domain: string): Promise<void> => submit(toDomain(domain), 'cd', 'mallory@a.test'),
  report: (domain: string): Promise<void> => spool.send(toDomain(domain)),
  exit: (domain: string): Promise<void> => passOn(relayTo({ kind: 'domain', domain })),
  "author's packet": (node: string): Promise<void> => submit(relayTo(nodeOf(node)), 'ab', 'alice@a.test'),
  "another author's packet": (node: string): Promise<void> =>
    submit(relayTo(nodeOf(node)), 'cd', 'mallory@a.test'),
  packet: (node: string): Promise<void> => passOn(relayTo(nodeOf(node))),
};
type Whose = keyof typeof senders;

/** To so many domains or nodes with a tarpit each, so many relays to each. */
async function fill(whose: Whose, places: number, each: number): Promise<void> {
  const names = Array.from({ length: places * each }, (_, at) => `tarpit${Math.floor(at / each)}.test`);
  await Promise.all(names.map((name) => senders[whose](name)));
}

const counted = async (outcome: string): Promise<number> => (await counters.values()).forwarded[outcome] ?? 0;

/** Whether everything that is due is in the forwarder's hands. */
const nothingDue = async (): Promise<boolean> =>
  ((await spool.relays.nextDue()) ?? Number.POSITIVE_INFINITY) > clock.now();

async function letters() {
  const sets = await spool.sets.claim(100);
  await spool.sets.release(sets.map(({ id }) => id));
  const fragments = (await Promise.all(sets.map(({ id }) => spool.sets.read(id)))).flatMap(
    (one) => one ?? [],
  );
  return fragments
    .filter(({ recipient }) => recipient === 'alice@a.test')
    .map(({ data }) => readReport(data));
}

describe('eight domains or nodes that hang, with so many relays that they fill the hands,', () => {
  test.each<[Whose, Whose]>([
    ['report', 'author'],
    ['exit', 'author'],
    ['another author', 'author'],
    ['report', 'report'],
    ['exit', 'exit'],
    ['packet', 'author'],
    ['packet', "author's packet"],
    ["another author's packet", 'author'],
    ["another author's packet", "author's packet"],
    ['packet', 'packet'],
  ])('of %s, keep no %s from a server that answers', async (others, whose) => {
    await fill(others, 8, inFlight / 8);
    await clock.advance(1_000);
    await until(() => begun.length === 8 * width);
    await senders[whose]('good.test');
    // Before any of those that hang has had its time.
    const untilMs = clock.now() + 60_000;
    await until(async () => {
      await clock.advance(1_000);
      return taken.includes('good.test') || clock.now() >= untilMs;
    });
    expect(taken).toEqual(['good.test']);
    expect(begun).toHaveLength(8 * width + 1);
  });
});

test('as many nodes that hang as could fill the hands of a mix keep no packet from a node that answers, and no author', async () => {
  const nodes = inFlight / width;
  await fill('packet', nodes, width);
  await clock.advance(1_000);
  await until(() => begun.length >= nodes);
  await until(nothingDue);
  const answers = async (whose: Whose, name: string): Promise<void> => {
    await senders[whose](name);
    const untilMs = clock.now() + 60_000;
    await until(async () => {
      await clock.advance(1_000);
      return taken.includes(name) || clock.now() >= untilMs;
    });
  };
  await answers('packet', 'good.test');
  await answers('author', 'b.test');
  expect(taken).toEqual(['good.test', 'b.test']);
});

test('a node that holds up what others have for it cannot tell by more connections what is authors’', async () => {
  await fill('packet', 1, 2 * width);
  await until(nothingDue);
  await until(() => begun.length === width);
  await senders["author's packet"]('tarpit0.test');
  await until(nothingDue);
  await senders["author's packet"]('good.test');
  await until(() => taken.includes('good.test'));
  expect(begun).toHaveLength(width + 1);
});

test('reports that a smarthost is slow to take hold up no author’s mail', async () => {
  smarthost = 'tarpit.test';
  await fill('report', 8, width);
  await until(nothingDue);
  await until(() => begun.length === width);
  await senders.author('b.test');
  await until(() => begun.length === width + 1);
});

test('as many domains with such servers as have places keep their kind waiting, and no author', async () => {
  await fill('exit', 257, 1);
  await clock.advance(1_000);
  await until(() => begun.length === 256);
  await senders.exit('other.test');
  await clock.advance(1_000);
  await until(nothingDue);
  await senders.author('good.test');
  await until(() => taken.includes('good.test'));
  expect(begun).not.toContain('other.test');
});

test('a server that hangs has failed, and is left alone for longer each time', async () => {
  await senders.author('tarpit0.test');
  const times: number[] = [];
  await until(async () => {
    if (begun.length > times.length) times.push(clock.now());
    await clock.advance(5_000);
    return times.length === 11;
  });
  const rests = times.slice(1).map((at, index) => at - (times[index] ?? 0) - 240_000);
  // Longer than its relay's own pause, or its lane's, which end at a minute.
  expect(rests.at(-1)).toBeGreaterThan(120_000);
  expect(await counted('deferred')).toBe(10);
});

test('a relay that has been in line for too long is put back', async () => {
  takesMs = () => 200_000;
  for (let at = 0; at < 3 * width; at++) await senders.author('slow.test');
  await until(nothingDue);
  await until(() => begun.length === width);
  await clock.advance(200_000);
  await until(() => begun.length === 2 * width);
  await clock.advance(200_000);
  await until(async () => (await counted('postponed')) === width);
  expect(begun).toHaveLength(2 * width);
  await until(async () => {
    await clock.advance(1_000);
    return begun.length === 3 * width;
  });
});

test('whose relay stands back each time is told of the delay, and in the end that it expired', async () => {
  deaf = true;
  await fill('another author', 129, 1);
  await until(() => begun.length === 128);
  await senders.author('good.test');
  await until(async () => (await counted('postponed')) > 0);
  expect(await letters()).toEqual([]);
  const timeUntil = (count: number): Promise<void> =>
    until(async () => {
      await clock.advance(hourMs);
      return (await letters()).length === count;
    });
  await timeUntil(1);
  expect(clock.now() - start).toBeGreaterThanOrEqual(4 * hourMs);
  expect(await letters()).toMatchObject([{ action: 'delayed', status: '4.4.1' }]);
  await timeUntil(2);
  expect(clock.now() - start).toBeGreaterThanOrEqual(5 * dayMs);
  expect(await letters()).toContainEqual(expect.objectContaining({ action: 'failed', status: '4.4.7' }));
  expect(begun).not.toContain('good.test');
});
