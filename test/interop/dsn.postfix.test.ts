import { randomBytes } from 'node:crypto';
import {
  carriageLength,
  makeCarriage,
  maxReportOctets,
  openCarriage,
  readDsn,
  type SmtpServer,
  startSmtpServer,
} from '@postern/mail';
import { Wire } from '@postern/mail/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createIdentity, until } from './debian.ts';
import { haveMailHost, type MailHost, startMailHost } from './mailhost.ts';

const id = randomBytes(16).toString('hex');
const carriage = makeCarriage({
  fromDomain: 'a.test',
  toDomain: 'c.test',
  bytes: randomBytes(32_768),
  now: new Date(),
  id,
  random: randomBytes,
});

describe.skipIf(!haveMailHost)('B1 what Debian’s Postfix cannot hand over comes back', () => {
  const came: Uint8Array[] = [];
  let server: SmtpServer;
  let host: MailHost;

  beforeAll(async () => {
    // Takes the bounce, and refuses the mailbox that the carriage is for.
    server = await startSmtpServer({
      listen: { host: '127.0.0.1', port: 0 },
      hostname: 'gateway.a.test',
      tls: createIdentity('gateway.a.test'),
      accepts: (mailbox) => mailbox === 'secure@a.test',
      maxBytes: maxReportOctets,
      onMessage: async ({ bytes }) => {
        came.push(bytes);
        return { kind: 'accepted' };
      },
    });
    host = await startMailHost({
      domain: 'b.test',
      address: '127.0.0.11',
      routes: { 'a.test': server.address, 'c.test': server.address },
      mailboxes: [],
    });
  });
  afterAll(async () => {
    await host[Symbol.asyncDispose]();
    await server.close();
  });

  async function bounced(parameters: string): Promise<Uint8Array> {
    using smtp = await Wire.connect(host.smtp);
    await smtp.reply();
    await smtp.say('EHLO gateway.a.test');
    await smtp.say(`MAIL FROM:<secure@a.test>${parameters}`);
    await smtp.say('RCPT TO:<secure@c.test>');
    await smtp.say('DATA');
    const taken = await smtp.say(`${Buffer.from(carriage).toString('latin1')}.`);
    expect(taken).toMatch(/^250 /);
    await until(() => came.length > 0);
    return came.pop() ?? Buffer.of();
  }

  test.each([
    ['whole, found by the Message-ID', '', [id]],
    ['its header alone', ' RET=HDRS', [id]],
    ['found by the envelope id too', ` RET=HDRS ENVID=${'f'.repeat(32)}`, ['f'.repeat(32), id]],
  ])('%s', async (_, parameters, ids) => {
    const dsn = readDsn(await bounced(parameters));
    expect(dsn).toMatchObject({ kind: 'dsn', ids, action: 'failed', status: expect.stringMatching(/^5\./) });
    expect(dsn.kind === 'dsn' && dsn.diagnostic).toMatch(/^550 5\./);
  });

  test('and is no carriage', async () => {
    const bytes = await bounced('');
    expect(bytes.length).toBeGreaterThan(carriageLength(32_768));
    expect(openCarriage(bytes, 32_768)).toMatchObject({ kind: 'refused' });
  });
});
