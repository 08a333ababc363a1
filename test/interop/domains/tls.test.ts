import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Opened } from '@postern/client';
import { openCarriage } from '@postern/mail';
import {
  byteFact,
  createSearcher,
  type Fact,
  keyIdsIn,
  startTap,
  type Tap,
  type TappedConnection,
  textFact,
  transfersOf,
  writeLetter,
} from '@postern/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createIdentity, until } from '../debian.ts';
import { type GnuPg, haveGnuPg, startGnuPg } from '../gnupg.ts';
import { fetchInbox } from '../imap.ts';
import { haveSwaks, swaks } from '../swaks.ts';
import { type Domains, haveDomains, startDomains } from './domains.ts';
import { hastenedClock } from './hastened.ts';
import { type Stripper, startStripper } from './stripper.ts';

type Letter = ReturnType<typeof writeLetter>;

/** Where DNS says that the mail server of b.test is, and somebody listens on the wire to it. */
const exchanger = '127.0.0.22';
const hourMs = 3_600_000;
const bartholomew = 'bartholomew@b.test';

describe.skipIf(!haveDomains || !haveSwaks || !haveGnuPg).each([
  { by: 'by way of Postfix', smarthost: true },
  { by: 'by the gateway itself', smarthost: false },
])('TLS between the mail servers of two domains, $by', ({ smarthost }) => {
  const stack = new AsyncDisposableStack();
  let domains: Domains;
  let folder: string;
  let gpg: GnuPg;
  let wire: Tap;
  let stripper: Stripper;
  let usual: Record<string, string>;
  let otherIdentity: Record<string, string>;
  let people: Fact[];
  let before = 0;
  let letters = 0;
  const clock = hastenedClock();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'postern-tls-'));
    stack.defer(() => rm(folder, { recursive: true }));
    gpg = stack.use(startGnuPg());
    stripper = stack.use(await startStripper({ host: '127.0.0.12', port: 25 }));
    wire = stack.use(await startTap({ name: 'mx.b.test', listen: { host: exchanger, port: 25 } }));
    wire.leadTo(stripper.address);
    domains = stack.use(await startDomains({ smarthost, exchanger, tls: 'prefer', clocks: { a: clock } }));
    await domains.a.host.postfix.set({
      delay_warning_time: '2s',
      maximal_queue_lifetime: '12s',
      queue_run_delay: '1s',
      minimal_backoff_time: '1s',
      maximal_backoff_time: '2s',
    });
    usual = await tlsOf(domains.b.host.postfix);
    otherIdentity = await writeIdentity();
    const key = gpg.makeKey(`Bartholomew <${bartholomew}>`);
    await domains.alice.keys.import(gpg.run(['--export', key]).stdout);
    await domains.alice.prefetch({ withinMs: 0 });
    people = [
      ...textFacts('author mailbox', 'alice@a.test', 'alice'),
      ...textFacts('recipient mailbox', bartholomew, 'bartholomew'),
      ...(await keyFacts('author mailbox', 'alice@a.test')),
      ...(await keyFacts('recipient mailbox', bartholomew)),
    ];
  });
  afterAll(() => stack.disposeAsync());
  afterEach(async () => {
    await mend();
    await domains.a.host.dovecot.take('alice');
    await domains.b.host.dovecot.take('bartholomew');
  });

  /** The certificate of somebody who is not the server that DNS names. */
  const writeIdentity = async (): Promise<Record<string, string>> => {
    const { key, cert } = createIdentity('mx.b.test');
    const files = {
      smtpd_tls_cert_file: join(folder, 'cert.pem'),
      smtpd_tls_key_file: join(folder, 'key.pem'),
    };
    await writeFile(files.smtpd_tls_cert_file, cert);
    await writeFile(files.smtpd_tls_key_file, key);
    return files;
  };

  const keyFacts = async (kind: Fact['kind'], mailbox: string): Promise<Fact[]> =>
    keyIdsIn(Buffer.from(await domains.alice.keys.export(mailbox))).map((id) => byteFact(kind, 'key id', id));

  /** Sets the peer's Postfix up another way, and breaks what is open: from here on the wire is recorded. */
  const change = async (values: Readonly<Record<string, string>>, strips = false): Promise<void> => {
    await domains.b.host.postfix.set(values);
    stripper.strips = strips;
    stripper.cut();
    await until(() => wire.connections.every(({ ended }) => ended));
    before = wire.connections.length;
  };

  const mend = (): Promise<void> => change(usual);

  const obstacles = [
    { peer: 'offers no STARTTLS', obstruct: () => change({ smtpd_tls_security_level: 'none' }), clear: true },
    { peer: 'shows another key than DNS says', obstruct: () => change(otherIdentity), clear: false },
    { peer: 'has its STARTTLS stripped', obstruct: () => change(usual, true), clear: true },
  ];

  const recorded = (): readonly TappedConnection[] => wire.connections.slice(before);
  /** What has gone over the wire since the last change, in both directions. */
  const capture = (): Buffer =>
    Buffer.concat(recorded().flatMap(({ chunks }) => chunks.map(({ bytes }) => Buffer.from(bytes))));

  const newLetter = (): Letter => {
    const seed = `letter ${++letters}`;
    const people = { from: 'alice@a.test', to: [bartholomew] };
    return writeLetter({ ...people, date: new Date(), attachmentBytes: 60_000, seed });
  };

  const factsOf = ({ telltales: { messageId, subject, phrases, attachment } }: Letter): Fact[] => [
    ...people,
    ...textFacts('content', messageId.replaceAll(/[<>]/g, ''), subject, ...phrases),
    ...stretches('attachment', attachment),
  ];

  /** Hands over what was wrapped aside, and gives what of it would be seen on a wire in the clear. */
  const submitRequiring = async ({ message }: Letter): Promise<Fact[]> => {
    const wrapped = await domains.alice.wrap(message, { mode: 'direct', tls: 'require', directory: folder });
    if (wrapped.kind === 'refused') throw new Error(wrapped.problems[0]?.message);
    const { gateway } = domains.a;
    const [server = { host: '', port: 0 }] = gateway.node.submissions;
    const facts: Fact[] = [];
    for (const { file, from, to } of wrapped.files) {
      const how = { server, tls: 'starttls', ca: gateway.certificate, login: domains.login } as const;
      const carriage = await readFile(file);
      const { code, transcript } = await swaks({ ...how, from, to, message: carriage });
      if (code !== 0) throw new Error(transcript);
      const opened = openCarriage(carriage, 32_768);
      if (opened.kind === 'carriage') facts.push(...stretches('unit', opened.bytes));
    }
    expect(facts.length).toBeGreaterThan(3); // of more than one carriage
    return facts;
  };

  const mailOfAlice = async (): Promise<number> => (await domains.a.host.dovecot.mail('alice')).length;
  const arrived = (): Promise<void> =>
    until(async () => (await domains.b.host.dovecot.mail('bartholomew')).length > 0);
  /** How many messages the mail server of b.test has begun to take. */
  const begun = async (): Promise<number> =>
    (await domains.b.host.postfix.log()).match(/: client=/g)?.length ?? 0;

  // Before the clock of the gateway is put ahead: what it delivers expires by it.
  test('require, within the domain: no other server is asked', async () => {
    await mend();
    const people = { from: 'alice@a.test', to: ['alice@a.test'], seed: 'to herself' };
    const { message } = writeLetter({ ...people, date: new Date(), attachmentBytes: 60_000 });
    const outcome = await domains.alice.send(message, { mode: 'direct' });
    expect(outcome).toMatchObject({ kind: 'sent', recipients: [{ tlsOptional: false }] });
    await until(async () => (await mailOfAlice()) > 0);
    await until(() => domains.settled());
    const mails = await fetchInbox(domains.a.host.account('alice'));
    expect(await Promise.all(mails.map((mail) => domains.alice.open(mail)))).toEqual([
      expect.objectContaining({ kind: 'opened' }),
    ]);
    expect(recorded()).toEqual([]);
  });

  test.each(obstacles)(
    'require, and the peer $peer: nothing is sent, and the author is told',
    async (obstacle) => {
      await obstacle.obstruct();
      const [begunBefore, strippedBefore] = [await begun(), stripper.stripped];
      const letter = newLetter();
      const units = await submitRequiring(letter);
      await until(() => recorded().some(({ ended }) => ended));
      clock.advance(5 * hourMs);
      await until(async () => (await mailOfAlice()) > 0);
      await until(() => recorded().length > 1); // it is tried again, however soon the author is told
      expect(await domains.settled()).toBe(false); // it is kept
      clock.advance(5 * 24 * hourMs);
      await until(async () => (await mailOfAlice()) > 1);
      await until(() => domains.settled());

      const reports: Opened[] = [];
      for (const mail of await fetchInbox(domains.a.host.account('alice')))
        reports.push(await domains.alice.open(mail));
      const { messageId } = letter.telltales;
      // What another mail server reports names a carriage; the gateway knows no more of it than whose it was.
      const whom = smarthost ? {} : { recipient: 'secure@b.test' };
      const about = { kind: 'report', messageId, ...whom, sealed: false };
      expect(reports).toEqual([
        expect.objectContaining({ ...about, action: 'delayed', status: expect.stringMatching(/^4\./) }),
        expect.objectContaining({ ...about, action: 'failed', status: expect.stringMatching(/^[45]\./) }),
      ]);
      expect(await domains.b.host.dovecot.mail('bartholomew')).toEqual([]);

      const bytes = capture();
      expect(recorded().length).toBeGreaterThan(1);
      expect(bytes.includes('EHLO')).toBe(true);
      expect(bytes.toString('latin1')).not.toMatch(/MAIL FROM|RCPT TO|^DATA|secure@/im);
      expect(createSearcher([...factsOf(letter), ...units]).search(bytes)).toEqual([]);
      expect(recorded().flatMap(transfersOf)).toEqual([]);
      expect(await begun()).toBe(begunBefore); // nor inside TLS, to who has another key
      expect(stripper.stripped > strippedBefore).toBe(stripper.strips);

      await mend();
      const next = newLetter();
      const nextUnits = await submitRequiring(next);
      await arrived();
      await until(() => domains.settled());
      expect(recorded().flatMap(transfersOf)).toHaveLength(nextUnits.length / 3);
      expect(capture().toString('latin1')).not.toMatch(/MAIL FROM|secure@/i);
    },
  );

  test.each(obstacles)(
    'prefer, and the peer $peer: delivered, and the wire shows no more than the domains',
    async (obstacle) => {
      await obstacle.obstruct();
      const letter = newLetter();
      const outcome = await domains.alice.send(letter.message, { mode: 'direct', tls: 'prefer' });
      expect(outcome).toMatchObject({
        kind: 'sent',
        pending: 0,
        recipients: [{ mailbox: bartholomew, mode: 'direct', tlsOptional: true }],
      });
      await arrived();
      await until(() => domains.settled());
      expect(await mailOfAlice()).toBe(0);

      const bytes = capture();
      const seen = bytes.toString('latin1');
      expect(createSearcher(factsOf(letter)).search(bytes)).toEqual([]);
      expect(/^MAIL FROM:<secure@a\.test>/m.test(seen)).toBe(obstacle.clear);
      const mailboxes = new Set(seen.match(/(?<!Message-ID: <)\b[\w.+-]+@[\w.-]+\.[a-z]{4,}\b/g));
      const names = new Set(seen.replaceAll(/^250-/gm, '').match(/[a-z0-9.-]+\.test\b/gi));
      // Before TLS both servers say who they are.
      const [ehlo, behind] = smarthost ? ['mx.a.test', ['gate.a.test']] : ['gate.a.test', []];
      const both = obstacle.clear ? ['a.test', 'b.test', ...behind] : [];
      expect([...mailboxes].sort()).toEqual(obstacle.clear ? ['secure@a.test', 'secure@b.test'] : []);
      expect([...names].sort()).toEqual([...both, ehlo, 'mx.b.test'].sort());
    },
  );
});

function textFacts(kind: Fact['kind'], ...texts: readonly string[]): Fact[] {
  return texts.map((text) => textFact(kind, text, text));
}

/** 16 bytes from near the beginning, the middle and the end. */
function stretches(what: string, bytes: Uint8Array): Fact[] {
  return [0.1, 0.5, 0.9]
    .map((part) => Math.floor(bytes.length * part))
    .map((at) => byteFact('content', what, bytes.subarray(at, at + 16)));
}

/** What the configuration of a Postfix says of its TLS. */
async function tlsOf(postfix: Domains['b']['host']['postfix']): Promise<Record<string, string>> {
  const text = await readFile(join(postfix.folder, 'etc', 'main.cf'), 'utf8');
  const lines = text.matchAll(/^(smtpd_tls_(?:security_level|cert_file|key_file)) = (.*)$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
}
