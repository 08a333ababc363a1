import { randomBytes } from 'node:crypto';
import {
  carriageLength,
  createSmtpSender,
  makeCarriage,
  maxTraceOctets,
  openCarriage,
  type SmtpServer,
  spkiPin,
  startSmtpServer,
} from '@postern/mail';
import { startTap, type Tap, transfersOf } from '@postern/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createIdentity, until } from './debian.ts';
import { fetchInbox } from './imap.ts';
import { haveMailHost, type MailHost, startMailHost } from './mailhost.ts';
import { haveNamespaces, startNamespace } from './namespace.ts';
import { haveSwaks, type SwaksOptions, type SwaksOutcome, swaks } from './swaks.ts';

describe.skipIf(!haveMailHost || !haveSwaks)('two domains with Debian’s Postfix and Dovecot', () => {
  const stack = new AsyncDisposableStack();
  const taken: Uint8Array[] = [];
  let gateway: SmtpServer;
  let pin: string;
  let wire: Tap;
  let a: MailHost;
  let b: MailHost;

  beforeAll(async () => {
    const tls = createIdentity('gateway.b.test');
    pin = spkiPin(tls.cert);
    gateway = stack.use(
      await startSmtpServer({
        listen: { host: '127.0.0.1', port: 0 },
        hostname: 'gateway.b.test',
        tls,
        accepts: (mailbox) => mailbox === 'secure@b.test',
        maxBytes: carriageLength(32_768) + maxTraceOctets,
        onMessage: async ({ bytes }) => {
          taken.push(bytes);
          return { kind: 'accepted' };
        },
      }),
    );
    wire = stack.use(await startTap({ name: 'mx.b.test' }));
    a = stack.use(
      await startMailHost({
        domain: 'a.test',
        address: '127.0.0.11',
        routes: { 'b.test': wire.address },
        mailboxes: [{ name: 'alice', password: 'of alice' }],
      }),
    );
    b = stack.use(
      await startMailHost({
        domain: 'b.test',
        address: '127.0.0.12',
        gateway: { ...gateway.address, pin },
        routes: { 'a.test': a.smtp },
        mailboxes: [
          { name: 'bob', password: 'of bob' },
          { name: 'full', password: 'of full', quota: '1B' },
        ],
      }),
    );
    wire.leadTo(b.smtp);
  });
  afterAll(() => stack.disposeAsync());

  const send = (options: Partial<SwaksOptions>): Promise<SwaksOutcome> =>
    swaks({ server: a.smtp, from: 'alice@a.test', to: 'bob@b.test', message: 'x\r\n', ...options });

  test('mail goes from server to server over TLS into a mailbox, and is read as it was written', async () => {
    const body = ['.', '..', '.x', '%DATE% \\n', '', 'x'.repeat(998), '\xc3\xa4', '', ''].join('\r\n');
    const header = 'From: alice@a.test\r\nSubject: plain\r\n\r\n';
    const message = Buffer.from(header + body + 'secret word\r\n'.repeat(1_000), 'latin1');
    const { code } = await send({ message, tls: 'starttls', ca: a.account('alice').ca });
    expect(code).toBe(0);
    await until(async () => (await b.dovecot.mail('bob')).length > 0);
    const [mail = Buffer.alloc(0), ...more] = await fetchInbox(b.account('bob'));
    expect(more).toEqual([]);
    expect(bodyOf(mail).equals(bodyOf(message))).toBe(true);

    const transfers = wire.connections.flatMap(transfersOf);
    expect(transfers.map(({ from, to }) => [from, to])).toEqual([['mx.a.test', 'mx.b.test']]);
    expect(transfers[0]?.bytes).toBeGreaterThan(message.length);
    const seen = Buffer.concat(wire.connections.flatMap(({ chunks }) => chunks.map(({ bytes }) => bytes)));
    for (const word of ['alice', 'bob', 'secret word']) expect(seen.includes(word)).toBe(false);
  });

  test('a carriage goes from one gateway to the other by way of both servers', async () => {
    await using sender = createSmtpSender({ ehloName: 'gateway.a.test' });
    const bytes = randomBytes(32_768);
    const domains = { fromDomain: 'a.test', toDomain: 'b.test' };
    const message = makeCarriage({ ...domains, bytes, now: new Date(), random: randomBytes });
    const peer = { ...a.smtp, tlsPin: a.pin };
    const sent = await sender.send(peer, { from: 'secure@a.test', to: 'secure@b.test', message });
    expect(sent.kind).toBe('sent');
    await until(() => taken.length > 0);
    const opened = openCarriage(taken.shift() ?? new Uint8Array(), 32_768);
    expect(opened.kind === 'carriage' && bytes.equals(opened.bytes)).toBe(true);
    expect(await b.postfix.log()).toContain('Verified TLS connection established to 127.0.0.1');
  });

  test('the gateway’s way out takes nothing in the clear and from nobody else', async () => {
    const tls = 'starttls';
    const from = 'secure@a.test';
    for (const server of Object.values(a.relay)) {
      expect((await send({ server, from })).transcript).toContain('530 5.7.0 Must issue a STARTTLS');
      expect((await send({ server, from: 'alice@a.test', tls })).transcript).toContain(
        'Sender address rejected',
      );
      expect((await send({ server, from, tls, source: '127.0.0.99' })).transcript).toContain(
        'Client host rejected',
      );
    }
  });

  test('a stranger can write to the domain’s mailboxes and to nobody else’s', async () => {
    const stranger = { server: b.smtp, source: '127.0.0.99' };
    expect((await send({ ...stranger, to: 'alice@a.test' })).transcript).toContain('Relay access denied');
    expect((await send({ ...stranger, to: 'nobody@b.test' })).transcript).toContain('550 5.1.1');
    expect((await send({ ...stranger, message: 'Subject: x\r\n\r\n' })).code).toBe(0);
  });

  test('mail for a full mailbox comes back', async () => {
    await send({ to: 'full@b.test', message: `Subject: full\r\n\r\n${'x'.repeat(100)}\r\n` });
    await until(async () => (await a.dovecot.mail('alice')).length > 0);
    const [report = ''] = (await fetchInbox(a.account('alice'))).map(String);
    expect(report).toContain('Return-Path: <>\r\n');
    expect(report).toMatch(/^Final-Recipient: rfc822; full@b\.test\r\n(.+\r\n)*Status: 5\.2\.2\r\n/m);
  });

  test('a gateway with another key than the configured one gets nothing, and what was for it waits', async () => {
    await b.postfix.route({ gateway: { ...gateway.address, pin: '00'.repeat(32) } });
    const message = 'Subject: key\r\n\r\n';
    expect((await send({ server: b.smtp, from: 'secure@a.test', to: 'secure@b.test', message })).code).toBe(
      0,
    );
    const deferred = (): Promise<string[]> =>
      b.postfix
        .queue()
        .then((all) => all.flatMap((each) => each.recipients.map((to) => to.delay_reason ?? '')));
    await until(async () => (await deferred()).some((reason) => reason !== ''));
    expect(await deferred()).toEqual(['Server certificate not verified']);
    expect(taken).toEqual([]);

    await b.postfix.route({ gateway: { ...gateway.address, pin } });
    await b.postfix.flush();
    await until(() => taken.length > 0);
    expect(String(taken[0])).toContain('Subject: key\r\n');
  });
});

test.skipIf(!haveMailHost || !haveSwaks || !haveNamespaces)(
  'a namespace holds a mail server on the ports that mail servers have',
  async () => {
    await using place = await startNamespace({ resolver: '127.0.0.53' });
    await using host = await startMailHost({
      domain: 'b.test',
      address: '127.0.0.1',
      ports: { smtp: 25, imap: 993 },
      mailboxes: [{ name: 'bob', password: 'of bob' }],
      place,
    });
    const message = 'Subject: inside\r\n\r\nx\r\n';
    const { code } = await swaks({ server: host.smtp, from: 'a@a.test', to: 'bob@b.test', message, place });
    expect(code).toBe(0);
    await until(async () => (await host.dovecot.mail('bob')).length > 0);
    expect(String(await fetchInbox(host.account('bob')))).toContain('\r\nSubject: inside\r\n');
  },
);

function bodyOf(message: Buffer): Buffer {
  return message.subarray(message.indexOf('\r\n\r\n') + 4);
}
