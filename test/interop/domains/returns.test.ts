import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Opened, SendMode } from '@postern/client';
import { Wire } from '@postern/mail/testing';
import { writeLetter } from '@postern/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { until } from '../debian.ts';
import { haveGnuPg, startGnuPg } from '../gnupg.ts';
import { fetchInbox } from '../imap.ts';
import { havePython, runPython } from '../python.ts';
import { type Domains, haveDomains, startDomains } from './domains.ts';
import { hastenedClock } from './hastened.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;

/** What an author finds in the mailbox, by Postern's reading and by that of another library. */
describe.skipIf(!haveDomains || !haveGnuPg || !havePython)('reports in the author’s mailbox', () => {
  const stack = new AsyncDisposableStack();
  let domains: Domains;
  /** Of the recipient's gateway: the last test puts it ahead. */
  const clock = hastenedClock();
  let letters = 0;

  beforeAll(async () => {
    using gpg = startGnuPg();
    domains = stack.use(await startDomains({ clocks: { b: clock } }));
    for (const name of ['bob', 'full', 'nobody']) {
      const key = gpg.makeKey(`${name} <${name}@b.test>`);
      await domains.alice.keys.import(gpg.run(['--export', key]).stdout);
    }
    await domains.alice.prefetch({ withinMs: 0 });
  });
  afterAll(() => stack.disposeAsync());
  afterEach(async () => {
    await domains.routeAsUsual();
    await domains.a.host.dovecot.take('alice');
    await domains.b.host.dovecot.take('bob');
  });

  /** Sends a letter of several carriages; its Message-ID, and how many. */
  const submit = async (to: string, mode: SendMode = 'direct') => {
    const seed = `letter ${++letters}`;
    const letter = { from: 'alice@a.test', to: [to], date: new Date(), attachmentBytes: 60_000, seed };
    const { message, telltales } = writeLetter(letter);
    const outcome = await domains.alice.send(message, { mode });
    expect(outcome).toMatchObject({ kind: 'sent', pending: 0 });
    const carriages = outcome.kind === 'sent' ? outcome.submitted : 0;
    return { messageId: telltales.messageId, carriages };
  };

  /** The one message that comes, once nothing is under way any more: as Postern opens it, and as Python reads it. */
  const theReport = async (): Promise<{ opened: Opened; read: Read }> => {
    const { host } = domains.a;
    await until(async () => (await host.dovecot.mail('alice')).length > 0);
    await until(() => domains.settled());
    const [mail = Buffer.of(), ...more] = await fetchInbox(host.account('alice'));
    expect(more).toEqual([]);
    return { opened: await domains.alice.open(mail), read: readAsReport(mail) };
  };

  const isReport = {
    defects: [],
    type: 'multipart/report',
    reportType: 'delivery-status',
    auto: 'auto-replied',
  };
  const aboutMessage = {
    'Reporting-MTA': 'dns; a.test',
    'Original-Envelope-Id': expect.stringMatching(/^[0-9a-f]{32}$/),
  };

  /** What the recipient's gateway said is for the author's program alone. */
  const isSealed = {
    ...isReport,
    status: [
      aboutMessage,
      { 'Final-Recipient': 'rfc822; undisclosed@postern.invalid', Action: 'failed', Status: '5.0.0' },
    ],
  };

  test.each([
    ['direct', 'an unknown mailbox', 'nobody@b.test', '5.1.1'],
    ['direct', 'a full mailbox', 'full@b.test', '5.2.2'],
    ['mix', 'an unknown mailbox', 'nobody@b.test', '5.1.1'],
    ['mix', 'a full mailbox', 'full@b.test', '5.2.2'],
  ] as const)(
    '%s, %s: one, whose reason only the author’s program reads',
    async (mode, _what, to, status) => {
      const { messageId } = await submit(to, mode);
      const { opened, read } = await theReport();
      expect(opened).toMatchObject({
        kind: 'report',
        messageId,
        recipient: to,
        action: 'failed',
        status,
        sealed: true,
      });
      expect(read).toMatchObject(isSealed);
    },
  );

  test('refused by the other domain’s Postfix: one', async () => {
    const mailboxes = join(domains.b.host.postfix.folder, 'etc', 'mailboxes');
    const known = await readFile(mailboxes, 'utf8');
    await writeFile(mailboxes, 'bob@b.test dovecot\n');
    await domains.routeAsUsual(); // has the file read
    const { messageId } = await submit('bob@b.test');
    const { opened, read } = await theReport();
    await writeFile(mailboxes, known);
    expect(opened).toMatchObject({
      kind: 'report',
      messageId,
      action: 'failed',
      status: '5.1.1',
      sealed: false,
    });
    expect(read).toMatchObject({
      ...isReport,
      status: [aboutMessage, { Action: 'failed', Status: '5.1.1' }],
    });
  });

  test('expired in Postfix’s queue: one', async () => {
    const { postfix } = domains.a.host;
    await postfix.set({ maximal_queue_lifetime: '1s', bounce_queue_lifetime: '1s' });
    await domains.b.host.postfix.set({ master_service_disable: 'inet' }); // it listens no longer
    const { messageId } = await submit('bob@b.test');
    await until(async () => {
      await postfix.flush();
      return (await domains.a.host.dovecot.mail('alice')).length > 0;
    });
    const { opened, read } = await theReport();
    await postfix.set({ maximal_queue_lifetime: '5d', bounce_queue_lifetime: '5d' });
    await domains.b.host.postfix.set({ master_service_disable: '' });
    expect(opened).toMatchObject({
      kind: 'report',
      messageId,
      action: 'failed',
      status: '4.4.1',
      sealed: false,
    });
    expect(read).toMatchObject({
      ...isReport,
      status: [aboutMessage, { Action: 'failed', Status: '4.4.1' }],
    });
    expect(await domains.b.host.dovecot.mail('bob')).toEqual([]);
  });

  test('B1 1,000 that are forged or replayed from outside: none; the one true report before them: one', async () => {
    const { a } = domains;
    await submit('bob@b.test');
    await until(() => domains.settled());
    const ids = (await a.host.postfix.log()).match(/(?<=message-id=<)[0-9a-f]{32}(?=@a\.test>)/g) ?? [];
    const carriage = ids.at(-1) ?? '';
    const before = await returned();

    using wire = await Wire.connect({ ...a.host.smtp, from: '127.0.0.99' });
    await wire.reply();
    await wire.say('EHLO mx.far.test');
    const bounce = async (data: string): Promise<void> => {
      for (const command of ['MAIL FROM:<>', 'RCPT TO:<secure@a.test>'])
        expect(await wire.say(command)).toMatch(/^250/);
      expect(await wire.say('DATA')).toMatch(/^354/);
      await wire.write(data);
      expect(await wire.say('.')).toMatch(/^250/);
    };
    await bounce(dsn(carriage));
    await theReport();
    const random = (): string => randomBytes(16).toString('hex');
    const forged = [
      () => dsn(random()),
      () => dsn(carriage),
      () => dsn(carriage, 'delayed'),
      () => dsn(carriage.toUpperCase()),
      () => dsn(`${carriage.slice(0, -1)}`),
      () => dsn(random(), 'failed', carriage),
      () => dsn('', 'failed', carriage),
      () => dsn(carriage, 'delivered'),
      () => dsn(`${random()}\r\nOriginal-Envelope-Id: ${carriage}`),
      () => dsn("' OR 1=1 --"),
    ];
    for (let n = 0; n < 1_000; n += 1) await bounce(forged[n % forged.length]?.() ?? '');
    await until(async () => (await returned()).all - before.all === 1_001);
    await until(() => domains.settled());
    expect(await a.host.dovecot.mail('alice')).toHaveLength(1);
    expect((await returned()).told - before.told).toBe(1);
  });

  test('a fragment that a mail server has lost: one, once the others expire at the recipient’s gateway', async () => {
    const { postfix } = domains.b.host;
    await postfix.set({ defer_transports: 'smtp' });
    const { messageId, carriages } = await submit('bob@b.test');
    expect(carriages).toBeGreaterThan(1);
    const deferred = async () =>
      (await postfix.queue()).filter(({ queue_name }) => queue_name === 'deferred');
    await until(async () => (await deferred()).length === carriages);
    const [lost] = await deferred();
    await postfix.lose(lost?.queue_id ?? '');
    await postfix.set({ defer_transports: '' });
    await postfix.flush();
    const { node } = domains.b.gateway;
    await until(async () => (await node.status()).counts.fragments === carriages - 1);
    expect(await domains.a.host.dovecot.mail('alice')).toEqual([]);

    clock.advance(5 * dayMs + hourMs); // an expiry is a whole hour
    const { opened, read } = await theReport();
    expect(opened).toMatchObject({
      kind: 'report',
      messageId,
      recipient: 'bob@b.test',
      action: 'failed',
      status: '4.4.7',
      sealed: true,
    });
    expect(read).toMatchObject(isSealed);
    expect(await domains.b.host.dovecot.mail('bob')).toEqual([]);
    expect((await node.status()).counters.delivered.incomplete).toBe(1);
  });

  const returned = async (): Promise<{ all: number; told: number }> => {
    const { counters } = await domains.a.gateway.node.status();
    const all = Object.values(counters.returned).reduce((sum, count) => sum + count, 0);
    return { all, told: counters.returned.told ?? 0 };
  };
});

interface Read {
  readonly defects: string[];
  readonly type: string;
  readonly reportType: string;
  readonly auto: string;
  /** Fields of the message, then of each recipient (RFC 3464 section 2.1). */
  readonly status: Record<string, string>[];
}

function readAsReport(mail: Buffer): Read {
  return JSON.parse(
    runPython(
      `
import email, email.policy
message = email.message_from_bytes(base64.b64decode(given), policy=email.policy.default)
print(json.dumps({
    'defects': [str(defect) for part in message.walk() for defect in part.defects],
    'type': message.get_content_type(),
    'reportType': message['Content-Type'].params['report-type'],
    'auto': message['Auto-Submitted'],
    'status': [dict(block) for block in message.get_payload()[1].get_payload()],
}))
`,
      mail.toString('base64'),
    ),
  ) as Read;
}

/** As a mail server would report, of a carriage named by its envelope id, or by the Message-ID of what comes back. */
function dsn(envelopeId: string, action = 'failed', messageId = ''): string {
  return [
    'From: <MAILER-DAEMON@mx.far.test>',
    'To: <secure@a.test>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="x"',
    '',
    '--x',
    'Content-Type: text/plain',
    '',
    'it failed',
    '--x',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.far.test',
    ...(envelopeId === '' ? [] : [`Original-Envelope-Id: ${envelopeId}`]),
    '',
    'Final-Recipient: rfc822; secure@b.test',
    `Action: ${action}`,
    'Status: 5.7.1',
    '',
    ...(messageId === ''
      ? []
      : ['--x', 'Content-Type: message/rfc822-headers', '', `Message-ID: <${messageId}@a.test>`, '']),
    '--x--',
    '',
  ].join('\r\n');
}
