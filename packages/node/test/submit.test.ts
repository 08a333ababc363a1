import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type CarriageParts, makeCarriage } from '@postern/mail';
import type { NodeEntry } from '@postern/protocol/consensus';
import { defaultGeometry } from '@postern/protocol/packet';
import { createMetrics, silentLog } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Counters, createCounters } from '../src/counters.ts';
import { openSqliteSpool } from '../src/queue/sqlite/spool.ts';
import type { Spool, Waiting } from '../src/spool.ts';
import { type Submissions, type SubmitContext, submit } from '../src/submit/submit.ts';
import { createTopology, type Topology } from '../src/topology.ts';
import { hello, login, overTls, Program } from './conversation.ts';
import { consensusOf, makeCertificate } from './peers.ts';
import { type FakeClock, fakeClock, seeded, until } from './support.ts';

const start = Date.UTC(2033, 1, 2, 3, 4, 5);
const hourMs = 3_600_000;
const epoch = Math.floor(start / hourMs);
const dayMs = 24 * hourMs;
const { packetBytes, suite } = defaultGeometry;
const tls = await makeCertificate('gate.a.test');
const random = seeded('submit');
const mix: NodeEntry = {
  id: 'ab'.repeat(32),
  name: 'mix1.test',
  roles: ['mix'],
  smtp: { host: '127.0.0.1', port: 1 },
  tlsPins: [''],
  family: '',
  domains: [],
  mirror: '',
  layer: 1,
  mixKey: '',
  capacity: 64,
};
const gateway: NodeEntry = { ...mix, id: 'cd'.repeat(32), name: 'gate.b.test', roles: ['delivery'] };

let clock: FakeClock;
let spool: Spool;
let counters: Counters;
let topology: Topology;
let stack: AsyncDisposableStack;

beforeEach(async () => {
  stack = new AsyncDisposableStack();
  const folder = await storesFolder('submit');
  stack.defer(() => rm(folder, { recursive: true }));
  clock = fakeClock(start);
  const path = join(folder, 'spool.sqlite');
  spool = stack.use(await openSqliteSpool({ unitBytes: packetBytes, path, clock, random }));
  counters = createCounters(createMetrics());
  topology = createTopology(clock);
  topology.update(consensusOf([mix, gateway], start));
});
afterEach(() => stack.disposeAsync());

async function open(of: Partial<SubmitContext> = {}): Promise<Submissions> {
  const listen = { host: '127.0.0.1', port: 0 };
  const submissions = await submit({
    clock,
    log: silentLog,
    counters,
    spool,
    topology,
    suite,
    packetBytes,
    epochSeconds: 3_600,
    domain: 'a.test',
    expiryMs: 5 * dayMs,
    tokenLifeMs: 14 * dayMs,
    limits: { carriagesPerHour: 100, bytesPerHour: 100_000_000 },
    authors: {
      judge: async ({ user, password }) =>
        password === 'wonder land'
          ? { kind: 'author', mailbox: `${user}@a.test` }
          : { kind: password === 'later' ? 'unavailable' : 'refused' },
      close: async () => undefined,
    },
    listen,
    listenTls: listen,
    ehlo: 'gate.a.test',
    tls,
    ...of,
  });
  stack.defer(() => submissions.close());
  return submissions;
}

async function connect(of: Partial<SubmitContext> = {}, user = 'alice'): Promise<Program> {
  return programOf(await open(of), user);
}

/** A program that has logged in. */
async function programOf({ addresses }: Submissions, user = 'alice'): Promise<Program> {
  const port = addresses.find((one) => one.tls === 'implicit')?.port ?? 0;
  const program = stack.use(await Program.connect({ port, tls: 'implicit' }));
  await program.converse(`${hello}\n C: ${login(user, 'wonder land')}\n S: 235 2.7.0`);
  return program;
}

function packet(of = epoch, first = suite): Uint8Array {
  const bytes = random.bytes(packetBytes);
  bytes[0] = first;
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(1, of);
  return bytes;
}

function carriage(of: Partial<CarriageParts> = {}): Uint8Array {
  return makeCarriage({
    fromDomain: 'a.test',
    toDomain: 'mix1.test',
    bytes: packet(),
    now: new Date(start),
    random: (length) => random.bytes(length),
    ...of,
  });
}

async function send(
  program: Program,
  message: Uint8Array,
  { to = 'secure@mix1.test', from = 'alice@a.test' } = {},
): Promise<string> {
  await program.converse(`
    C: MAIL FROM:<${from}>
    S: 250
    C: RCPT TO:<${to}>
    S: 250
    C: DATA
    S: 354`);
  return program.data(message);
}

const token = '0123456789abcdef'.repeat(2);
const claimed = (): Promise<Waiting[]> => spool.relays.claim(10);
const outcomes = async (stage: 'submitted' | 'logins'): Promise<Record<string, number>> =>
  Object.fromEntries(Object.entries((await counters.values())[stage]).filter(([, count]) => count > 0));

describe('who may submit', () => {
  test('tries on one port count on the other: ten are ten, wherever', async () => {
    const { promise: released, resolve: release } = Promise.withResolvers<void>();
    let tried = 0;
    const judge = async (): Promise<{ kind: 'refused' }> => {
      tried += 1;
      await released;
      return { kind: 'refused' };
    };
    const { addresses } = await open({ authors: { judge, close: async () => undefined } });
    const [starttls = { port: 0, tls: 'starttls' }, implicit = { port: 0, tls: 'implicit' }] = addresses;
    const guesses = Array.from({ length: 10 }, async () => {
      using program = await Program.connect(starttls);
      await program.converse(`${overTls}\n C: ${login('alice', 'rabbit hole')}\n S: 535 5.7.8`);
    });
    await until(() => tried === guesses.length);
    const another = async (): Promise<void> => {
      using program = await Program.connect(implicit);
      await program.converse(`${hello}\n C: ${login('alice', 'wonder land')}\n S: 454 4.7.0`);
    };
    await another();
    release();
    await Promise.all(guesses);
    await another();
    expect(await outcomes('logins')).toEqual({ refused: 10, 'slowed-down': 2 });
  });

  test('an author who has logged in over TLS, on either port', async () => {
    const { addresses } = await open();
    expect(addresses.map((address) => address.tls)).toEqual(['starttls', 'implicit']);
    for (const address of addresses) {
      using program = await Program.connect(address);
      await program.converse(`
        ${address.tls === 'implicit' ? hello : overTls}
        C: MAIL FROM:<alice@a.test>
        S: 530
        C: ${login('alice', 'rabbit hole')}
        S: 535 5.7.8
        C: ${login('alice', 'later')}
        S: 454 4.7.0
        C: ${login('alice', 'wonder land')}
        S: 235 2.7.0`);
      expect(await send(program, carriage())).toMatch(/^250 2\.6\.0/);
    }
    expect(await outcomes('logins')).toEqual({ author: 2, refused: 2, unavailable: 2 });
    expect(await outcomes('submitted')).toEqual({ accepted: 2 });
  });

  test('as nobody else, and to one gateway or mix', async () => {
    const program = await connect();
    await program.converse(`
      C: MAIL FROM:<bob@a.test>
      S: 550 5.7.1
      C: MAIL FROM:<>
      S: 550 5.7.1
      C: MAIL FROM:<Alice@A.test>
      S: 250
      C: RCPT TO:<bob@b.test>
      S: 550 5.7.1
      C: RCPT TO:<secure@b.test>
      S: 250
      C: RCPT TO:<secure@c.test>
      S: 452`);
    expect(await outcomes('submitted')).toEqual({});
  });
});

describe('a packet', () => {
  test('goes to the mix of that name, and its author is found by the token', async () => {
    const bytes = packet();
    expect(await send(await connect(), carriage({ bytes, id: token }))).toMatch(/^250/);
    const [relay, ...others] = await claimed();
    expect(others).toEqual([]);
    expect(relay).toMatchObject({ next: { kind: 'node', id: mix.id }, token });
    expect(await spool.relays.read(relay?.id ?? '')).toEqual(bytes);
    expect(await spool.returns.find({ token })).toEqual({ token, author: 'alice@a.test', delayed: false });
  });

  test('is kept no longer than its keys are', async () => {
    const expiresMs: number[] = [];
    const program = await connect({
      spool: {
        submit: async ({ relay }) => {
          expiresMs.push(relay.expiresMs);
          return 'submitted';
        },
      },
    });
    for (const of of [epoch, epoch + 1]) await send(program, carriage({ bytes: packet(of) }));
    expect(expiresMs).toEqual([(epoch + 4) * hourMs, (epoch + 5) * hourMs]);
    expect(await send(program, carriage({ bytes: packet(epoch - 4) }))).toMatch(/^554 5\.4\.7/);
    expect(await outcomes('submitted')).toEqual({ accepted: 2, expired: 1 });
  });

  test('to no mix of the consensus is refused; while a newer one may know it, only put off', async () => {
    const program = await connect();
    for (const toDomain of ['mix2.test', 'gate.b.test'])
      expect(await send(program, carriage({ toDomain }), { to: `secure@${toDomain}` })).toMatch(
        /^550 5\.1\.2/,
      );
    await clock.advance(hourMs);
    const late = carriage({ toDomain: 'mix2.test' });
    expect(await send(program, late, { to: 'secure@mix2.test' })).toMatch(/^451 4\.4\.3/);
    expect(await outcomes('submitted')).toEqual({ 'no-mix': 2, 'no-consensus': 1 });
  });

  test('waits in the author’s program while there is no consensus', async () => {
    topology.update(undefined);
    const program = await connect();
    expect(await send(program, carriage())).toMatch(/^451 4\.4\.3/);
    topology.update(consensusOf([mix], start));
    expect(await send(program, carriage())).toMatch(/^250/);
  });
});

describe('an envelope', () => {
  const bytes = packet(epoch, 0x81);

  test.each([
    ['b.test', false],
    ['b.test', true],
    ['a.test', false],
  ])('goes to %s, without TLS when its author allows that: %s', async (domain, tlsOptional) => {
    topology.update(undefined); // of no account
    const message = carriage({ bytes, toDomain: domain, tlsOptional, id: token });
    expect(await send(await connect(), message, { to: `secure@${domain}` })).toMatch(/^250/);
    const [relay] = await claimed();
    expect(relay?.next).toEqual({
      kind: 'domain',
      domain,
      own: true,
      ...(tlsOptional ? { tlsOptional } : {}),
    });
    expect(relay?.token).toBe(token);
    expect(await spool.returns.find({ carriage: relay?.id ?? '' })).toMatchObject({ author: 'alice@a.test' });
  });
});

describe('what is refused', () => {
  test.each([
    ['another domain’s carriage', carriage({ fromDomain: 'c.test' }), /^554 5\.6\.0/, 'malformed'],
    ['one to somebody else', carriage({ toDomain: 'mix2.test' }), /^554 5\.6\.0/, 'malformed'],
    ['other mail', Buffer.from('Subject: x\r\n\r\nx\r\n'), /^554 5\.6\.0/, 'malformed'],
    ['a shorter packet', carriage({ bytes: packet().subarray(1) }), /^554 5\.6\.0/, 'malformed'],
    ['a reply unit', carriage({ bytes: packet(epoch, 0x82) }), /^554 5\.7\.1/, 'wrong-kind'],
    ['another suite', carriage({ bytes: packet(epoch, suite + 1) }), /^554 5\.7\.1/, 'wrong-kind'],
  ])('%s', async (_, message, reply, outcome) => {
    expect(await send(await connect(), message)).toMatch(reply);
    expect(await outcomes('submitted')).toEqual({ [outcome]: 1 });
    expect(await claimed()).toEqual([]);
  });

  test('another author’s token, and not why', async () => {
    const submissions = await open();
    expect(await send(await programOf(submissions), carriage({ id: token }))).toMatch(/^250/);
    const bob = await programOf(submissions, 'bob');
    const reply = await send(bob, carriage({ id: token }), { from: 'bob@a.test' });
    expect(reply).toBe('550 5.7.1 not taken');
    expect(await outcomes('submitted')).toEqual({ accepted: 1, 'foreign-token': 1 });
    expect(await claimed()).toHaveLength(1);
  });
});

test('the same carriage twice is taken twice: who got no answer sends it again', async () => {
  const program = await connect();
  const message = carriage({ id: token });
  for (let i = 0; i < 2; i++) expect(await send(program, message)).toMatch(/^250/);
  expect(await claimed()).toHaveLength(2);
});

test('a spool that is full puts authors off', async () => {
  const path = join(await mkdtemp(join(tmpdir(), 'postern-full-')), 'spool.sqlite');
  stack.defer(() => rm(dirname(path), { recursive: true }));
  const full = stack.use(await openSqliteSpool({ unitBytes: packetBytes, path, clock, random, maxBytes: 1 }));
  expect(await send(await connect({ spool: full }), carriage())).toMatch(/^452 4\.3\.1/);
});

test('a spool that is out of order puts authors off, and says so once', async () => {
  const said: string[] = [];
  const log = {
    ...silentLog,
    error: (event: string) => said.push(event),
    info: (event: string) => said.push(event),
  };
  let code: string | undefined = 'spool-io';
  const broken: SubmitContext['spool'] = {
    async submit() {
      if (code !== undefined) throw Object.assign(new Error('no'), { code });
      return 'submitted';
    },
  };
  const program = await connect({ log, spool: broken });
  for (let i = 0; i < 2; i++) expect(await send(program, carriage())).toMatch(/^451 4\.3\.0/);
  code = undefined;
  expect(await send(program, carriage())).toMatch(/^250/);
  expect(said).toEqual(['submissions cannot be stored', 'submissions are stored again']);
  expect(await outcomes('submitted')).toEqual({ deferred: 2, accepted: 1 });
});

test('an author who sends too much waits, and nobody else does', async () => {
  const submissions = await open({ limits: { carriagesPerHour: 2, bytesPerHour: 100_000_000 } });
  const program = await programOf(submissions);
  for (const reply of [/^250/, /^250/, /^452 4\.7\.1/])
    expect(await send(program, carriage())).toMatch(reply);
  const bob = await programOf(submissions, 'bob');
  expect(await send(bob, carriage(), { from: 'bob@a.test' })).toMatch(/^250/);
  await clock.advance(hourMs / 2);
  for (const reply of [/^250/, /^452/]) expect(await send(program, carriage())).toMatch(reply);
  expect(await outcomes('submitted')).toEqual({ accepted: 4, limited: 2 });
});
