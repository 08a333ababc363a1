import { Wire } from '@postern/mail/testing';
import { expect, test } from 'vitest';
import { conversation, overTls } from './conversation.ts';
import { type Inbox, openInbox, text } from './inbox.ts';

/** A mail server at 127.0.0.1 hands on to it; what is refused comes back to those alone who sent with the null return path. */
const openBehind = (handsOn = (remote: string): boolean => remote === '127.0.0.1'): Promise<Inbox> =>
  openInbox({
    maxBytes: 2_000,
    handsOn,
    onUnreadable: ({ from, handedOn }) => (handedOn && from !== '' ? { kind: 'accepted' } : undefined),
  });

const envelope = (from: string): string => `
  C: MAIL FROM:${from}
  S: 250
  C: RCPT TO:<secure@mx.test>
  S: 250
  C: DATA
  S: 354`;

const endless = `${'x'.repeat(62)}\\r\\n`.repeat(3_000);

test('who hands on is offered any size and UTF-8 return paths, others are not', async () => {
  for (const [handsOn, offers] of [
    [true, ['SIZE', 'SMTPUTF8']],
    [false, ['SIZE 2000']],
  ] as const) {
    await using inbox = await openBehind(() => handsOn);
    using wire = await Wire.connect({ port: inbox.port });
    await wire.reply();
    await wire.write('EHLO client.test\r\n');
    const lines = (await wire.reply()).split('\r\n').map((line) => line.slice(4));
    expect(lines.filter((line) => /SIZE|UTF8/.test(line))).toEqual(offers);
  }
});

test.each([
  ['a plain one', '<v@c.test> SIZE=1000000', 'v@c.test'],
  ['one of UTF-8', '<\xc3\xa4@c.test> SMTPUTF8', '\xc3\xa4@c.test'],
  ['a quoted one', '<"v <x"@c.test>', '"v <x"@c.test'],
  ['a source route', '<@x.test:v@c.test>', '@x.test:v@c.test'],
  ['an address literal', '<v@[192.0.2.1]>', 'v@[192.0.2.1]'],
  ['one without brackets', 'v@c.test', 'v@c.test'],
])('a return path may be whatever was accepted in front: %s', async (_, sent, from) => {
  await using inbox = await openBehind();
  await conversation(inbox.port, `${overTls}${envelope(sent)}\n C! x\\r\\n.\\r\\n\n S: 250 2.6.0`);
  expect(inbox.messages.map((message) => [message.from, message.handedOn, text(message)])).toEqual([
    [from, true, 'x\r\n'],
  ]);
});

test.each([
  ['too big', endless, '552 5.3.4'],
  ['a LF alone', 'x\\ny\\r\\n', '550 5.6.0'],
  ['a NUL', 'x\\0y\\r\\n', '550 5.6.0'],
  ['a line too long', `${'x'.repeat(999)}\\r\\n`, '550 5.6.0'],
])('%s: judged at its end, and the session goes on', async (_, data, refusal) => {
  await using inbox = await openBehind();
  await conversation(
    inbox.port,
    `${overTls}${envelope('<v@c.test>')}
    C! ${data}.\\r\\n
    S: 250 2.6.0
    ${envelope('<>')}
    C! ${data}.\\r\\n
    S: ${refusal}
    ${envelope('<v@c.test>')}
    C! x\\r\\n.\\r\\n
    S: 250 2.6.0`,
  );
  expect(inbox.messages.map(text)).toEqual(['x\r\n']);
});

test('others are refused as ever, and nobody judges their data besides', async () => {
  await using inbox = await openBehind(() => false);
  await conversation(
    inbox.port,
    `${overTls}
    C: MAIL FROM:<v@c.test> SIZE=1000000
    S: 552 5.3.4
    C: MAIL FROM:<"v x"@c.test>
    S: 553 5.1.7
    ${envelope('<v@c.test>')}
    C! x\\ny\\r\\n.\\r\\n
    S: 550 5.6.0
    ${envelope('<v@c.test>')}
    C! x\\r\\n.\\r\\n
    S: 250`,
  );
  expect(inbox.messages.map(({ handedOn }) => handedOn)).toEqual([false]);
});

test('relaying and parameters that were not offered are refused to everybody', async () => {
  await using inbox = await openBehind();
  await conversation(
    inbox.port,
    `${overTls}
    C: MAIL FROM:<v@c.test> REQUIRETLS
    S: 555 5.5.4
    C: MAIL FROM:<v@c.test>
    S: 250
    C: RCPT TO:<v@c.test>
    S: 550 5.7.1`,
  );
  expect(inbox.messages).toEqual([]);
});
