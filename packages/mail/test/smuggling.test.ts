/* oxlint-disable vitest/expect-expect -- a conversation checks what the server says */

import { smugglingSequences, Wire } from '@postern/mail/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { conversation, converse, octetsOf, overTls, transaction, upToData, written } from './conversation.ts';
import { type Inbox, openInbox, text } from './inbox.ts';

let inbox: Inbox;
beforeAll(async () => {
  inbox = await openInbox();
});
beforeEach(() => {
  inbox.messages.length = 0;
});
afterAll(() => inbox[Symbol.asyncDispose]());

/** What stands behind the sequence: a second message, if a server takes the sequence for the end of the first. */
const smuggled = String.raw`MAIL FROM:<secure@evil.test>\r\nRCPT TO:<secure@mx.test>\r\nDATA\r\nsmuggled\r\n.\r\n`;

describe('R1 smuggling', () => {
  test.each(smugglingSequences.map(written))(
    'R1 %s does not end the data: one refusal for all of it',
    async (sequence) => {
      await conversation(
        inbox.port,
        `${upToData}
      C! Subject: x\\r\\n\\r\\nbody${sequence}${smuggled}
      S: 550 5.6.0
      C: NOOP
      S: 250
      C: QUIT
      S: 221
      S: closed`,
      );
      expect(inbox.messages).toEqual([]);
    },
  );

  test.each(smugglingSequences.map(written))('R1 %s in any split over segments', async (sequence) => {
    const octets = octetsOf(`body${sequence}MAIL FROM:<secure@evil.test>\\r\\n.\\r\\n`);
    using wire = await Wire.connect({ port: inbox.port });
    await converse(wire, overTls);
    for (let at = 1; at < octets.length; at += 1) {
      await converse(wire, transaction);
      await wire.write(octets.subarray(0, at));
      await wire.write(octets.subarray(at));
      expect(await wire.reply()).toMatch(/^550 5\.6\.0/);
    }
    await converse(wire, transaction);
    for (const octet of octets) await wire.write(Uint8Array.of(octet));
    await converse(wire, 'S: 550 5.6.0\n C: NOOP\n S: 250');
    expect(inbox.messages).toEqual([]);
  });

  test('R1 only CRLF "." CRLF ends the data, in any split over segments', async () => {
    const octets = octetsOf(String.raw`.\x2e\r\nbody\r\n..\r\n..x\r\n.\x2e.\r\n\r\n.\r\n`);
    using wire = await Wire.connect({ port: inbox.port });
    await converse(wire, overTls);
    for (let at = 1; at < octets.length; at += 1) {
      await converse(wire, transaction);
      await wire.write(octets.subarray(0, at));
      await wire.write(octets.subarray(at));
      expect(await wire.reply()).toMatch(/^250 2\.6\.0/);
    }
    expect(inbox.messages).toHaveLength(octets.length - 1);
    expect(new Set(inbox.messages.map(text))).toEqual(new Set(['.\r\nbody\r\n.\r\n.x\r\n..\r\n\r\n']));
  });

  test('R1 a command ends at CRLF only: one that holds a bare LF is none', async () => {
    await conversation(
      inbox.port,
      `${overTls}
      C! MAIL FROM:<secure@a.test>\\nRCPT TO:<secure@mx.test>\\r\\n
      S: 501 5.5.2
      C! NOOP\\rNOOP\\r\\n
      S: 501 5.5.2
      C: RCPT TO:<secure@mx.test>
      S: 503`,
    );
  });
});

describe('R2 to R5 data that other servers read in another way', () => {
  test.each([
    String.raw`one\ntwo\r\n`,
    String.raw`one\rtwo\r\n`,
    String.raw`\none\r\n`,
    String.raw`one\r\r\n`,
    String.raw`one\n\r\n`,
    String.raw`one\r\n\r`,
    String.raw`one\r\n\n`,
  ])('R2 a bare CR or LF is refused once all is read: %s', async (data) => {
    await conversation(
      inbox.port,
      `${upToData}
      C! ${data}\\r\\n.\\r\\n
      S: 550 5.6.0
      C: NOOP
      S: 250`,
    );
    expect(inbox.messages).toEqual([]);
  });

  test('R3 a NUL in data is refused', async () => {
    await conversation(inbox.port, `${upToData}\n C! x\\0y\\r\\n.\\r\\n\n S: 550 5.6.0\n C: NOOP\n S: 250`);
    expect(inbox.messages).toEqual([]);
  });

  test.each([
    String.raw`NO\0OP\r\n`,
    String.raw`NOOP \x07\r\n`,
    String.raw`NOOP \x7f\r\n`,
    String.raw`NOOP \xe4\r\n`,
    String.raw`MAIL FROM:<secure\0@a.test>\r\n`,
  ])('R3 a control character or an octet above 127 in a command is refused: %s', async (command) => {
    await conversation(inbox.port, `${overTls}\n C! ${command}\n S: 501 5.5.2\n C: NOOP\n S: 250`);
  });

  test('R4 a line of 998 octets is taken, one of 999 refused, none is split', async () => {
    await conversation(
      inbox.port,
      `${upToData}
      C! ${'x'.repeat(998)}\\r\\n..${'y'.repeat(997)}\\r\\n.\\r\\n
      S: 250 2.6.0
      C: MAIL FROM:<secure@a.test>
      S: 250
      C: RCPT TO:<secure@mx.test>
      S: 250
      C: DATA
      S: 354
      C! ${'x'.repeat(999)}\\r\\n.\\r\\n
      S: 550 5.6.0`,
    );
    expect(inbox.messages.map(text)).toEqual([`${'x'.repeat(998)}\r\n.${'y'.repeat(997)}\r\n`]);
  });

  test('R5 octets above 127 are taken as they are, with BODY=8BITMIME and without', async () => {
    const send = (parameter: string): string => `
      C: MAIL FROM:<secure@a.test>${parameter}
      S: 250
      C: RCPT TO:<secure@mx.test>
      S: 250
      C: DATA
      S: 354
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
});
