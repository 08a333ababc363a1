import { randomBytes } from 'node:crypto';
import {
  carriageLength,
  createSmtpSender,
  makeCarriage,
  maxTraceOctets,
  openCarriage,
  type SmtpPeer,
  type SmtpSender,
  type SmtpServer,
  startSmtpServer,
} from '@postern/mail';
import { smugglingSequences, Wire } from '@postern/mail/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createIdentity } from './debian.ts';
import { haveMailHost, type MailHost, startMailHost } from './mailhost.ts';
import { endsDataAt } from './postfix.ts';

const smuggled =
  'MAIL FROM:<evil@a.test>\r\nRCPT TO:<secure@b.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\nNOOP';
const attack = (sequence: string): string => `Subject: x\r\n\r\nbody${sequence}${smuggled}`;

describe.skipIf(!haveMailHost)('in front of Debian’s Postfix', () => {
  const { key, cert } = haveMailHost ? createIdentity('gateway.b.test') : { key: '', cert: '' };
  const forwarded: Uint8Array[] = [];
  let host: MailHost;
  let server: SmtpServer;
  let sender: SmtpSender;
  let peer: SmtpPeer;

  beforeAll(async () => {
    host = await startMailHost({
      domain: 'b.test',
      address: '127.0.0.11',
      mailboxes: [{ name: 'secure', password: 'nobody reads it' }],
    });
    peer = { ...host.smtp, tlsPin: host.pin };
    sender = createSmtpSender({ ehloName: 'gateway.b.test' });
    // A hop that hands on what it accepts, as it is.
    server = await startSmtpServer({
      listen: { host: '127.0.0.1', port: 0 },
      hostname: 'gateway.b.test',
      tls: { key, cert },
      accepts: (mailbox) => mailbox === 'secure@b.test',
      maxBytes: carriageLength(32_768) + maxTraceOctets,
      onMessage: async ({ bytes, recipient }) => {
        const result = await sender.send(peer, { from: 'secure@a.test', to: recipient, message: bytes });
        if (result.kind !== 'sent') return { kind: 'deferred', text: result.kind };
        forwarded.push(bytes);
        return { kind: 'accepted' };
      },
    });
  });
  afterAll(async () => {
    await server.close();
    await sender.close();
    await host[Symbol.asyncDispose]();
  });

  /** Up to 354, over TLS to our server. */
  async function throughUs(): Promise<Wire> {
    const smtp = await Wire.connect(server.address);
    await smtp.reply();
    await smtp.say('EHLO a.test');
    await smtp.say('STARTTLS');
    await smtp.startTls();
    await smtp.say('EHLO a.test');
    await smtp.say('MAIL FROM:<secure@a.test>');
    await smtp.say('RCPT TO:<secure@b.test>');
    await smtp.say('DATA');
    return smtp;
  }

  test('R1 the peer is one that smuggling works on', async () => {
    for (const sequence of smugglingSequences) {
      using smtp = await Wire.connect(host.smtp);
      await smtp.reply();
      await smtp.say('EHLO a.test');
      await smtp.say('MAIL FROM:<secure@a.test>');
      await smtp.say('RCPT TO:<secure@b.test>');
      await smtp.say('DATA');
      await smtp.say(`${attack(sequence)}\r\n.`);
      const falls = endsDataAt(sequence);
      const mail = await host.takeMail('secure', falls ? 2 : 0);
      const count = mail.filter((text) => /^Subject: smuggled/m.test(text) && !text.includes('body')).length;
      expect({ sequence, count }).toEqual({ sequence, count: falls ? 1 : 0 });
    }
  });

  test.each(smugglingSequences)('R1 %j is refused by us, and Postfix hears of nothing', async (sequence) => {
    using smtp = await throughUs();
    expect(await smtp.say(attack(sequence))).toMatch(/^550 5\.6\.0 /);
    expect(await smtp.say('NOOP')).toMatch(/^[25]/); // what stood behind the real end of the data, or this
    expect(forwarded).toEqual([]);
    expect(await host.takeMail('secure', 0)).toEqual([]);
  });

  test('R1 what we accept arrives as one message, dots and all', async () => {
    const lines = ['Subject: dots', '', '.', '..', '.x', `MAIL FROM:<evil@a.test>`, '...', '', '.'];
    using smtp = await throughUs();
    const stuffed = lines.map((line) => `${line.replace(/^\./, '..')}\r\n`).join('');
    expect(await smtp.say(`${stuffed}.`)).toMatch(/^250 /);
    const [mail = '', ...more] = await host.takeMail('secure', 1);
    expect(more).toEqual([]);
    expect(mail.slice(mail.indexOf('Subject: dots'))).toContain(lines.slice(2).join('\n'));
    expect(forwarded.splice(0)).toHaveLength(1);
  });

  test('R1 every carriage arrives as one message, and opens from the Maildir', async () => {
    const payloads = [
      ...smugglingSequences.map((sequence) => pad(attack(sequence))),
      randomBytes(32_768),
      new Uint8Array(32_768),
    ];
    const domains = { fromDomain: 'a.test', toDomain: 'b.test' };
    for (const bytes of payloads) {
      const message = makeCarriage({ ...domains, bytes, now: new Date(), random: randomBytes });
      const result = await sender.send(peer, { from: 'secure@a.test', to: 'secure@b.test', message });
      expect(result).toMatchObject({ kind: 'sent' });
    }
    const mail = await host.takeMail('secure', payloads.length);
    const opened = mail.map((text) =>
      openCarriage(Buffer.from(text.replaceAll('\n', '\r\n'), 'latin1'), 32_768),
    );
    const arrived = opened.map((result) => (result.kind === 'carriage' ? digest(result.bytes) : result.kind));
    expect(arrived.sort()).toEqual(payloads.map(digest).sort());
  });
});

function pad(text: string): Buffer {
  return Buffer.concat([Buffer.from(text, 'latin1')], 32_768);
}

function digest(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}
