import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@postern/client';
import { Wire } from '@postern/mail/testing';
import type { Endpoint } from '@postern/runtime';
import { writeLetter } from '@postern/testkit';
import { afterAll, beforeAll, expect } from 'vitest';
import { until } from '../debian.ts';
import { type GnuPg, haveGnuPg, startGnuPg } from '../gnupg.ts';
import { type Domains, haveDomains, startDomains } from './domains.ts';

export const haveBesieged: boolean = haveDomains && haveGnuPg;

/** Two domains, and what an honest author of a.test hands over while others do what they can. */
export interface Besieged extends AsyncDisposable {
  readonly domains: Domains;
  /** A carriage with a letter to bob, a new one each time. Dots need no stuffing in it. */
  carriage(): Promise<string>;
  /**
   * What lies in bob's mailbox, as he reads it: of each letter its place among all that were made for carriages, in ascending order.
   *
   * @throws Error if something there is none of them, or not signed by its author
   */
  read(): Promise<number[]>;
}

export async function startBesieged(): Promise<Besieged> {
  await using stack = new AsyncDisposableStack();
  const folder = await mkdtemp(join(tmpdir(), 'postern-besieged-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const gpg = stack.use(startGnuPg());
  const domains = stack.use(await startDomains());
  const key = gpg.makeKey('bob <bob@b.test>');
  await domains.alice.keys.import(gpg.run(['--export', key]).stdout);
  gpg.run(['--import'], await domains.alice.keys.export('alice@a.test'));
  await domains.alice.prefetch({ withinMs: 0 });
  const bodies: Buffer[] = [];
  const started = stack.move();
  return {
    domains,
    carriage: () => makeCarriage(domains.alice, folder, bodies),
    read: async () => {
      const mails = await domains.b.host.dovecot.mail('bob');
      return mails.map((mail) => placeOf(mail, gpg, bodies)).sort((one, other) => one - other);
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

/** What the tests of one listener share. */
export interface Siege {
  readonly domains: Domains;
  readonly listener: Listener;
  carriage: Besieged['carriage'];
  /** Everything that has passed by now counts no more. */
  remember(): Promise<void>;
  /** What has gone where since, once nothing is under way and bob has `count` more. */
  since(count: number): Promise<Passed>;
  /** An honest carriage, on this connection or one of its own: it alone arrives. */
  onlyHonest(wire?: Wire): Promise<void>;
}

/** Lays siege to a listener for as long as the `describe` lasts that calls it. */
export function besiege(kind: Listener['kind']): Siege {
  const stack = new AsyncDisposableStack();
  let besieged: Besieged;
  let listener: Listener;
  let before: Passed;
  beforeAll(async () => {
    besieged = stack.use(await startBesieged());
    listener = listenerOf(kind, besieged.domains);
  });
  afterAll(() => stack.disposeAsync());
  const since = (count: number): Promise<Passed> => passedSince(besieged.domains, before, count);
  return {
    get domains() {
      return besieged.domains;
    },
    get listener() {
      return listener;
    },
    carriage: () => besieged.carriage(),
    remember: async () => {
      before = await passed(besieged.domains);
    },
    since,
    onlyHonest: async (wire) => {
      using honest = wire ?? (await enter(listener));
      expect(await hand(listener, honest, await besieged.carriage())).toMatch(/^250 2\.6\.0/);
      await leave(honest);
      expect(await since(1)).toEqual(inAndOut(kind, 1));
    },
  };
}

/** One of the gateways' listeners, and what an honest client says to it. */
export interface Listener {
  readonly kind: 'submission' | 'delivery';
  readonly at: Endpoint;
  /** `AUTH` with its initial response; none where nobody logs in. */
  readonly auth: string | undefined;
  readonly from: string;
}

export const kinds = ['submission', 'delivery'] as const;
export const recipient = 'secure@b.test';

export function listenerOf(kind: Listener['kind'], { a, b, login }: Domains): Listener {
  if (kind === 'delivery') return { kind, at: b.gateway.node.smtp, auth: undefined, from: 'secure@a.test' };
  const [at] = a.gateway.node.submissions;
  if (at === undefined) throw new Error('the gateway takes no submissions');
  const response = Buffer.from(`\0${login.user}\0${login.password}`).toString('base64');
  return { kind, at, auth: `AUTH PLAIN ${response}`, from: login.user };
}

/** Up to the begin of a transaction. */
export async function enter(listener: Listener, from?: string): Promise<Wire> {
  const wire = await Wire.connect({ ...listener.at, ...(from !== undefined && { from }) });
  await wire.reply();
  for (const command of ['EHLO client.test', 'STARTTLS']) await expectReply(wire, command, /^2/);
  await wire.startTls();
  await expectReply(wire, 'EHLO client.test', /^250/);
  if (listener.auth !== undefined) await expectReply(wire, listener.auth, /^235/);
  return wire;
}

/** From MAIL up to 354. */
export async function beginData(wire: Wire, { from }: Listener): Promise<void> {
  await expectReply(wire, `MAIL FROM:<${from}>`, /^250/);
  await expectReply(wire, `RCPT TO:<${recipient}>`, /^250/);
  await expectReply(wire, 'DATA', /^354/);
}

async function expectReply(wire: Wire, command: string, expected: RegExp): Promise<void> {
  const reply = await wire.say(command);
  if (!expected.test(reply)) throw new Error(`${command} was answered with ${reply}`);
}

async function makeCarriage(alice: Client, directory: string, bodies: Buffer[]): Promise<string> {
  const seed = `carriage ${bodies.length}`;
  const { message } = writeLetter({
    from: 'alice@a.test',
    to: ['bob@b.test'],
    date: new Date(),
    attachmentBytes: 100,
    seed,
  });
  const wrapped = await alice.wrap(message, { mode: 'direct', directory });
  if (wrapped.kind === 'refused') throw new Error(wrapped.problems[0]?.message);
  const [file, ...more] = wrapped.files;
  if (file === undefined || more.length > 0) throw new Error('a letter of one carriage took several');
  bodies.push(bodyOf(message));
  return readFile(file.file, 'latin1');
}

function placeOf(mail: Buffer, gpg: GnuPg, bodies: readonly Buffer[]): number {
  const { stdout, stderr } = gpg.run(['--status-fd', '2', '--decrypt'], mail);
  const place = bodies.findIndex((body) => body.equals(bodyOf(stdout)));
  if (place < 0 || !/^\[GNUPG:\] GOODSIG /m.test(stderr)) throw new Error(`no letter of alice’s: ${stderr}`);
  return place;
}

function bodyOf(message: Buffer): Buffer {
  return message.subarray(message.indexOf('\r\n\r\n') + 4);
}

/** Hands over data that ends as data does, and gives the answer. */
export async function hand(listener: Listener, wire: Wire, data: string): Promise<string> {
  await beginData(wire, listener);
  await wire.write(data);
  return wire.say('.');
}

/** Nothing more was said than was asked for. */
export async function leave(wire: Wire): Promise<void> {
  await expectReply(wire, 'QUIT', /^221/);
  if ((await wire.reply()) !== 'closed') throw new Error('the server goes on after QUIT');
}

/** What has gone where, everywhere, so far. */
export interface Passed {
  /** Submissions that gateway a.test has taken, and hand-overs of its to Postfix. */
  readonly submitted: number;
  readonly forwarded: number;
  /** Messages for the other domain's gateway that Postfix of each domain has passed on. */
  readonly postfixA: number;
  readonly postfixB: number;
  /** Carriages that gateway b.test has taken. */
  readonly received: number;
  /** What lies in the mailboxes. */
  readonly bob: number;
  readonly alice: number;
  /** Recipients of other domains whom any Postfix has had a message for. */
  readonly foreign: readonly string[];
}

export async function passed({ a, b }: Domains): Promise<Passed> {
  const [statusA, statusB] = await Promise.all([a, b].map(({ gateway }) => gateway.node.status()));
  const logs = await Promise.all([a, b].map(({ host }) => host.postfix.log()));
  const [postfixA = 0, postfixB = 0] = logs.map(
    (log) => log.match(/to=<secure@b\.test>.* status=sent/g)?.length ?? 0,
  );
  const recipients = logs.flatMap((log) =>
    [...log.matchAll(/: [0-9A-Za-z]+: to=<([^>]*)>/g)].map(([, to = '']) => to),
  );
  return {
    submitted: statusA?.counters.submitted.accepted ?? 0,
    forwarded: statusA?.counters.forwarded.sent ?? 0,
    postfixA,
    postfixB,
    received: statusB?.counters.received.accepted ?? 0,
    bob: (await b.host.dovecot.mail('bob')).length,
    alice: (await a.host.dovecot.mail('alice')).length,
    foreign: recipients.filter((to) => !/@(?:mx\.)?[ab]\.test$/.test(to)),
  };
}

/** What has gone where since, once nothing is under way and bob has `count` more. */
export async function passedSince(domains: Domains, before: Passed, count: number): Promise<Passed> {
  await until(async () => (await domains.b.host.dovecot.mail('bob')).length >= before.bob + count);
  await until(() => domains.settled());
  const after = await passed(domains);
  return {
    submitted: after.submitted - before.submitted,
    forwarded: after.forwarded - before.forwarded,
    postfixA: after.postfixA - before.postfixA,
    postfixB: after.postfixB - before.postfixB,
    received: after.received - before.received,
    bob: after.bob - before.bob,
    alice: after.alice - before.alice,
    foreign: after.foreign.slice(before.foreign.length),
  };
}

/** So many messages in by this listener, as many out at the other end, and nothing besides. */
export function inAndOut(kind: Listener['kind'], count: number): Passed {
  const bySubmission = kind === 'submission' ? count : 0;
  return {
    submitted: bySubmission,
    forwarded: bySubmission,
    postfixA: bySubmission,
    postfixB: bySubmission,
    received: count,
    bob: count,
    alice: 0,
    foreign: [],
  };
}
