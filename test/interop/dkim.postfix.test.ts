import { createSmtpSender } from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { attested, signed, verify } from './dkim.sample.ts';
import { haveMailHost, startMailHost } from './mailhost.ts';

describe.skipIf(!haveMailHost)('through Debian’s Postfix', () => {
  test('what we sign verifies below its trace', async () => {
    await using host = await startMailHost({
      domain: 'b.test',
      address: '127.0.0.11',
      mailboxes: [{ name: 'secure', password: 'nobody reads it' }],
    });
    await using sender = createSmtpSender({ ehloName: 'gateway.a.test' });
    const peer = { ...host.smtp, tlsPin: host.pin };
    const sent = await sender.send(peer, { from: 'secure@a.test', to: 'secure@b.test', message: signed });
    expect(sent).toMatchObject({ kind: 'sent' });
    const [mail = ''] = await host.takeMail('secure', 1);
    expect(mail).toMatch(/^Received: /m);
    expect(await verify(Buffer.from(mail.replaceAll('\n', '\r\n'), 'latin1'))).toEqual(attested);
  });
});
