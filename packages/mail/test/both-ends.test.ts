/* oxlint-disable vitest/expect-expect -- a conversation checks what the server says */

import type { SendResult, SmtpPeer } from '@postern/mail';
import { Wire } from '@postern/mail/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { conversation, converse, overTls, transaction } from './conversation.ts';
import { createSender, mail, pinned, sent } from './handing-on.ts';
import { type Inbox, openInbox, text } from './inbox.ts';
import { greeting, openPeer, taken } from './peer.ts';

/** What holds for taking as for handing on. */
let inbox: Inbox;
beforeAll(async () => {
  inbox = await openInbox({ requireTls: true });
});
beforeEach(() => {
  inbox.messages.length = 0;
});
afterAll(() => inbox[Symbol.asyncDispose]());

/** From MAIL with a parameter up to the server's 354. */
function withParameter(parameter: string): string {
  return transaction.replace('<secure@a.test>', `<secure@a.test>${parameter}`);
}

function refused(code: number, enhanced: string): SendResult {
  return { kind: 'refused', code, enhanced };
}

function clear(port: number): SmtpPeer {
  return { host: '127.0.0.1', port, tls: { kind: 'opportunistic' } };
}

describe('R5 octets above 127', () => {
  test('are taken as they are, with BODY=8BITMIME and without', async () => {
    const send = (parameter: string): string => `
      ${withParameter(parameter)}
      C! \\xc3\\xa4\\xff\\r\\n.\\r\\n
      S: 250 2.6.0`;
    await conversation(
      inbox.port,
      `${overTls}${send('')}${send(' BODY=8BITMIME')}
      C: MAIL FROM:<secure@a.test> BODY=BINARYMIME
      S: 501`,
    );
    expect(inbox.messages.map(text)).toEqual(['\xc3\xa4\xff\r\n', '\xc3\xa4\xff\r\n']);
  });

  test('are handed on as they are to a peer that takes them, and said to be there', async () => {
    await using own = await openInbox();
    await using sender = createSender();
    const message = Buffer.from('\xc3\xa4\xff\r\n', 'latin1');
    expect(await sender.send(pinned(own.port), mail({ message }))).toEqual(sent);
    expect(own.messages.map(text)).toEqual(['\xc3\xa4\xff\r\n']);
    const eightBit = greeting.replace('250 REQUIRETLS', '250 8BITMIME');
    await using peer = await openPeer([eightBit + taken + taken]);
    expect(await sender.send(pinned(peer.port), mail({ message }))).toEqual(sent);
    expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
    expect(peer.heard[0]?.filter((line) => line.startsWith('MAIL'))).toEqual([
      'MAIL FROM:<secure@a.test> BODY=8BITMIME',
      'MAIL FROM:<secure@a.test>',
    ]);
  });

  test('are not handed on to a peer of 7 bits', async () => {
    await using peer = await openPeer([greeting + taken]);
    await using sender = createSender();
    const result = await sender.send(pinned(peer.port), mail({ message: Buffer.from('ä\r\n') }));
    expect(result).toEqual(refused(554, '5.6.3'));
    expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
    expect(peer.heard[0]).not.toContain('ä\r\n.\r\n');
  });
});

describe('R6 addresses that are not ASCII', () => {
  test.each([
    String.raw`MAIL FROM:<\xc3\xa4@a.test>`,
    String.raw`MAIL FROM:<\xc3\xa4@a.test> SMTPUTF8`,
    String.raw`MAIL FROM:<secure@\xc3\xa4.test>`,
  ])('%s', async (command) => {
    await conversation(inbox.port, `${overTls}\n C! ${command}\\r\\n\n S: 553 5.6.7\n C: NOOP\n S: 250`);
  });

  test('as recipient; and SMTPUTF8 for a plain address', async () => {
    await conversation(
      inbox.port,
      `${overTls}
      C: MAIL FROM:<secure@a.test> SMTPUTF8
      S: 555 5.5.4
      C: MAIL FROM:<secure@a.test>
      S: 250
      C! RCPT TO:<s\\xc3\\xa4cure@mx.test>\\r\\n
      S: 553 5.6.7`,
    );
  });

  test.each([
    ['recipient', { to: 'sécure@mx.test' }],
    ['sender', { from: 'secure@ä.test' }],
  ])('none is handed on, as %s, whatever the peer takes', async (_, more) => {
    await using peer = await openPeer([greeting.replace('250 REQUIRETLS', '250 SMTPUTF8') + taken]);
    await using sender = createSender();
    expect(await sender.send(pinned(peer.port), mail(more))).toEqual(refused(553, '5.6.7'));
    expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
    expect(peer.heard[0]?.filter((line) => line.startsWith('MAIL'))).toEqual(['MAIL FROM:<secure@a.test>']);
  });
});

describe('R16 REQUIRETLS', () => {
  test('in clear: 530', async () => {
    await conversation(
      inbox.port,
      'S: 220\n C: EHLO client.test\n S: 250\n C: MAIL FROM:<secure@a.test> REQUIRETLS\n S: 530 5.7.0',
    );
  });

  test('takes no value, and comes once', async () => {
    await conversation(
      inbox.port,
      `${overTls}
      C: MAIL FROM:<secure@a.test> REQUIRETLS=x
      S: 501 5.5.4
      C: MAIL FROM:<secure@a.test> REQUIRETLS REQUIRETLS
      S: 501 5.5.4
      C: RCPT TO:<secure@mx.test>
      S: 503`,
    );
  });

  test('over TLS it goes with its message, and with no other', async () => {
    const send = (parameter: string): string => `
      ${withParameter(parameter)}
      C! x\\r\\n.\\r\\n
      S: 250`;
    await conversation(inbox.port, `${overTls}${send(' REQUIRETLS')}${send('')}`);
    expect(inbox.messages.map(({ requireTls }) => requireTls)).toEqual([true, false]);
  });

  test('with a MAIL that is refused it goes nowhere', async () => {
    await conversation(
      inbox.port,
      `${overTls}
      C: MAIL FROM:<"secure"@a.test> REQUIRETLS
      S: 553${transaction}
      C! x\\r\\n.\\r\\n
      S: 250`,
    );
    expect(inbox.messages.map(({ requireTls }) => requireTls)).toEqual([false]);
  });

  test('where it is not offered it is refused, not dropped', async () => {
    await using own = await openInbox();
    using wire = await Wire.connect({ port: own.port });
    await converse(wire, overTls);
    await wire.write('EHLO client.test\r\n');
    expect(await wire.reply()).not.toContain('REQUIRETLS');
    await converse(
      wire,
      `C: MAIL FROM:<secure@a.test> REQUIRETLS
      S: 555 5.5.4
      C: MAIL FROM:<secure@a.test> SIZE=10 REQUIRETLS BODY=7BIT
      S: 555 5.5.4
      C: RCPT TO:<secure@mx.test>
      S: 503${transaction}
      C! x\\r\\n.\\r\\n
      S: 250`,
    );
    expect(own.messages.map(({ requireTls }) => requireTls)).toEqual([false]);
  });

  test('is not sent to a peer that does not know it; and it is told to one that does', async () => {
    await using peer = await openPeer([greeting.replace('250 REQUIRETLS', '250 HELP') + taken]);
    await using sender = createSender();
    const result = await sender.send(pinned(peer.port), mail({ requireTls: true }));
    expect(result).toEqual(refused(550, '5.7.30'));
    expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
    expect(peer.heard[0]?.filter((line) => line.startsWith('MAIL'))).toEqual(['MAIL FROM:<secure@a.test>']);

    await using own = await openInbox({ requireTls: true });
    expect(await sender.send(pinned(own.port), mail({ requireTls: true }))).toEqual(sent);
    expect(own.messages.map(({ requireTls }) => requireTls)).toEqual([true]);
  });

  test('is not asked of a peer in clear, whatever it offers', async () => {
    const offering = `S: 220 mx.test ESMTP\n C: EHLO sender.test\n S: 250-mx.test\\r\\n250 REQUIRETLS${taken}`;
    await using peer = await openPeer([offering, offering]);
    await using sender = createSender();
    expect(await sender.send(clear(peer.port), mail({ requireTls: true }))).toEqual({
      kind: 'refused',
      code: 550,
      enhanced: '5.7.30',
    });
    expect(await sender.send(clear(peer.port), mail({ requireTls: 'if-offered' }))).toEqual({
      kind: 'sent',
      secured: false,
    });
    expect(peer.heard[0]?.filter((line) => line.startsWith('MAIL'))).toEqual(['MAIL FROM:<secure@a.test>']);
  });
});
