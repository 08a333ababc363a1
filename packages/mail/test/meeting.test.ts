import type { SmtpPeer } from '@postern/mail';
import { Wire } from '@postern/mail/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSender, mail, pinned, sent } from './handing-on.ts';
import { type Inbox, openInbox } from './inbox.ts';

/** What a server offers besides, and what a sender makes of it. */
let inbox: Inbox;
let offered: readonly string[] = ['XTEST 7 a', 'XTEST 8'];
beforeAll(async () => {
  inbox = await openInbox({ offers: () => offered });
});
afterAll(() => inbox[Symbol.asyncDispose]());

describe('what a receiver offers besides', () => {
  test('stands at the end of the answer to EHLO, over TLS alone', async () => {
    using wire = await Wire.connect({ port: inbox.port });
    await wire.reply();
    const ehlo = async (): Promise<string[]> => {
      await wire.write('EHLO sender.test\r\n');
      return (await wire.reply()).split('\r\n');
    };
    expect((await ehlo()).filter((line) => line.includes('XTEST'))).toEqual([]);
    await wire.write('STARTTLS\r\n');
    await wire.reply();
    await wire.startTls();
    expect((await ehlo()).slice(-2)).toEqual(['250-XTEST 7 a', '250 XTEST 8']);
  });
});

describe('a sender meets its peer', () => {
  test('once for each connection, and goes on', async () => {
    const met: { peer: SmtpPeer; offers: readonly string[] }[] = [];
    await using sender = createSender({
      async meet(peer, offers) {
        met.push({ peer, offers });
        return 'go-on';
      },
    });
    const peer = pinned(inbox.port);
    expect([await sender.send(peer, mail()), await sender.send(peer, mail())]).toEqual([sent, sent]);
    expect(met).toEqual([{ peer, offers: expect.arrayContaining(['XTEST 7 a', 'XTEST 8']) }]);
  });

  test('and declines: nothing is handed over, and the next try meets it anew', async () => {
    inbox.messages.length = 0;
    await using sender = createSender({
      meet: async (_peer, offers) => (offers.includes('XTEST 9') ? 'go-on' : 'declined'),
    });
    const peer = pinned(inbox.port);
    expect(await sender.send(peer, mail())).toEqual({
      kind: 'deferred',
      reason: 'declined',
      maybeDelivered: false,
    });
    expect(inbox.messages).toEqual([]);
    offered = ['XTEST 9'];
    expect(await sender.send(peer, mail())).toEqual(sent);
  });
});
