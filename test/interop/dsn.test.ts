import { randomBytes } from 'node:crypto';
import {
  carriageLength,
  composeReport,
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
import { havePython, runPython } from './python.ts';

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

describe.skipIf(!havePython)(
  'B4 what we write to an author is a report to Python’s email package too',
  () => {
    test('without a defect, and with every part', () => {
      const data = randomBytes(540);
      const message = composeReport({
        author: 'alice@a.test',
        domain: 'a.test',
        token: id,
        action: 'failed',
        sealed: { kind: 'sealed', data },
        now: new Date(),
        random: randomBytes,
      });
      const read = JSON.parse(
        runPython(
          `
import email, email.policy
message = email.message_from_bytes(base64.b64decode(given), policy=email.policy.default)
status = [dict(block) for block in message.get_payload()[1].get_payload()]
print(json.dumps({
    'defects': [str(defect) for part in message.walk() for defect in part.defects],
    'types': [part.get_content_type() for part in message.iter_parts()],
    'auto': message['Auto-Submitted'],
    'to': message['To'].addresses[0].addr_spec,
    'status': status,
    'text': message.get_payload()[0].get_content(),
    'sealed': base64.b64encode(message.get_payload()[2].get_content()).decode(),
}))
`,
          Buffer.from(message).toString('base64'),
        ),
      ) as unknown;
      expect(read).toEqual({
        defects: [],
        types: ['text/plain', 'message/delivery-status', 'application/vnd.postern.report'],
        auto: 'auto-replied',
        to: 'alice@a.test',
        status: [
          { 'Original-Envelope-Id': id, 'Reporting-MTA': 'dns; a.test' },
          { 'Final-Recipient': 'rfc822; undisclosed@postern.invalid', Action: 'failed', Status: '5.0.0' },
        ],
        text: expect.stringContaining('postern open'),
        sealed: Buffer.concat([Uint8Array.of(1), data]).toString('base64'),
      });
    });
  },
);
