import { createLmtpSender, type DeliveryResult, type LmtpSender } from '@postern/mail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Dovecot } from './dovecot.ts';
import { haveMailHost, type MailHost, startMailHost } from './mailhost.ts';

describe.skipIf(!haveMailHost)('to Debian’s Dovecot', () => {
  let host: MailHost;
  let dovecot: Dovecot;
  let sender: LmtpSender;

  beforeAll(async () => {
    host = await startMailHost({
      domain: 'b.test',
      address: '127.0.0.12',
      mailboxes: [
        { name: 'bob', password: 'of bob' },
        { name: 'full', password: 'of full', quota: '1B' },
      ],
    });
    dovecot = host.dovecot;
    sender = createLmtpSender({ target: host.lmtp, lhloName: 'gateway.b.test' });
  });
  afterAll(async () => {
    await sender.close();
    await host[Symbol.asyncDispose]();
  });

  const deliver = (to: string, text: string): Promise<DeliveryResult> =>
    sender.deliver({ from: 'secure@a.test', to, message: Buffer.from(text, 'latin1') });
  const subject = (name: string): string => `Subject: ${name}\r\n\r\n`;

  test('a message lies in the mailbox as it was sent, under a trace of Dovecot’s', async () => {
    const text = `${subject('one')}.\r\n..\r\n${'x'.repeat(998)}\r\n\xc3\xa4\r\n`;
    expect(await deliver('bob@b.test', text)).toEqual({ kind: 'sent' });
    const mail = (await dovecot.mail('bob')).map((bytes) =>
      bytes.toString('latin1').replaceAll('\r\n', '\n'),
    );
    expect(mail).toHaveLength(1);
    expect(mail[0]?.endsWith(text.replaceAll('\r\n', '\n'))).toBe(true);
    expect(mail[0]?.startsWith('Return-Path: <secure@a.test>\nDelivered-To: bob@b.test\n')).toBe(true);
  });

  test('over its socket in the file system', async () => {
    const before = (await dovecot.mail('bob')).length;
    await using other = createLmtpSender({ target: { path: dovecot.path }, lhloName: 'gateway.b.test' });
    const message = Buffer.from(`${subject('two')}x\r\n`);
    expect(await other.deliver({ from: '', to: 'bob@b.test', message })).toEqual({ kind: 'sent' });
    expect(await dovecot.mail('bob')).toHaveLength(before + 1);
  });

  test('an unknown mailbox is refused, and so is one whose quota the message breaks, though nothing fails before the data', async () => {
    expect(await deliver('nobody@b.test', `${subject('three')}x\r\n`)).toEqual({
      kind: 'refused',
      code: 550,
      enhanced: '5.1.1',
    });
    const full = await deliver('full@b.test', `${subject('four')}${'x'.repeat(70)}\r\n`);
    expect(full.kind === 'refused' ? [full.code, full.enhanced] : full).toEqual([552, '5.2.2']);
    expect(await deliver('bob@b.test', `${subject('five')}x\r\n`)).toEqual({ kind: 'sent' });
  });

  test('a NUL, which Dovecot would drop, is not sent', async () => {
    const before = (await dovecot.mail('bob')).length;
    expect(await deliver('bob@b.test', `${subject('six')}x\0y\r\n`)).toEqual({
      kind: 'refused',
      code: 554,
      enhanced: '5.6.0',
    });
    expect(await dovecot.mail('bob')).toHaveLength(before);
  });

  test('many at once', async () => {
    const before = (await dovecot.mail('bob')).length;
    const results = await Promise.all(
      Array.from({ length: 30 }, (_, n) => deliver('bob@b.test', `${subject(`many ${n}`)}x\r\n`)),
    );
    expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['sent']));
    expect(await dovecot.mail('bob')).toHaveLength(before + 30);
  });
});
