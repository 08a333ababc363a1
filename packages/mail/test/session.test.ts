/* oxlint-disable vitest/expect-expect -- a conversation checks what the server says */

import { Wire } from '@postern/mail/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { conversation, converse, overTls, upToData } from './conversation.ts';
import { type Inbox, openInbox, text } from './inbox.ts';

let inbox: Inbox;
beforeAll(async () => {
  inbox = await openInbox({
    maxRecipients: 3,
    requireTls: true,
    accepts: (mailbox) => accepted.has(mailbox),
  });
});
beforeEach(() => {
  inbox.messages.length = 0;
});
afterAll(() => inbox[Symbol.asyncDispose]());

const accepted = new Set(['secure@mx.test', 'mix1@mx.test', 'mix2@mx.test', 'mix3@mx.test', 'mix4@mx.test']);

test('says its name and what it can, and no more', async () => {
  using wire = await Wire.connect({ port: inbox.port });
  expect(await wire.reply()).toBe('220 mx.test ESMTP');
  await wire.write('EHLO client.test\r\n');
  expect((await wire.reply()).split('\r\n')).toEqual([
    '250-mx.test',
    '250-PIPELINING',
    '250-8BITMIME',
    '250-ENHANCEDSTATUSCODES',
    '250-STARTTLS',
    '250 SIZE 100000',
  ]);
  await converse(wire, 'C: STARTTLS\n S: 220\n TLS\n C: EHLO client.test');
  expect((await wire.reply()).split('\r\n')).toEqual([
    '250-mx.test',
    '250-PIPELINING',
    '250-8BITMIME',
    '250-ENHANCEDSTATUSCODES',
    '250-REQUIRETLS',
    '250 SIZE 100000',
  ]);
});

test.each([
  'VRFY secure',
  'EXPN list',
  'HELP',
  'WIZ',
  'SHELL',
  'KILL',
  'AUTH PLAIN AHgAeA==',
  'BDAT 5 LAST',
  'TURN',
  'ETRN x',
])('knows no %s', async (command) => {
  await conversation(inbox.port, `${overTls}\n C: ${command}\n S: 500 5.5.2\n C: NOOP\n S: 250`);
});

test('ends a session of nothing but nonsense', async () => {
  using wire = await Wire.connect({ port: inbox.port });
  await converse(wire, overTls);
  const replies: string[] = [];
  for (let n = 0; n < 10; n += 1) {
    await wire.write(n % 2 === 0 ? 'NONSENSE\r\n' : 'XCLIENT ADDR=1.2.3.4\r\n');
    replies.push((await wire.reply()).slice(0, 3));
  }
  expect(replies).toEqual(['500', '550', '500', '550', '500', '550', '500', '550', '500', '421']);
  expect(await wire.reply()).toBe('closed');
});

test('ends a session at a line longer than any command', async () => {
  await conversation(inbox.port, `${overTls}\n C! ${'x'.repeat(1100)}\n S: 421 5.5.2\n S: closed`);
});

describe('R7 injection before TLS', () => {
  const injected = [
    ['one command', 'MAIL FROM:<secure@evil.test>'],
    [
      'a whole envelope',
      'EHLO evil.test\\r\\nMAIL FROM:<secure@evil.test>\\r\\nRCPT TO:<secure@mx.test>\\r\\nDATA',
    ],
    ['300 lines', Array.from({ length: 300 }, () => 'MAIL FROM:<secure@evil.test>').join('\\r\\n')],
    ['half a command', 'MAIL FROM:<secu'],
  ] as const;

  test.each(injected)(
    '%s in the segment of STARTTLS does not run, and EHLO is asked for again',
    async (_, commands) => {
      await conversation(
        inbox.port,
        `
      S: 220
      C: EHLO client.test
      S: 250
      C! STARTTLS\\r\\n${commands}\\r\\n
      S: 220
      TLS
      C: RCPT TO:<secure@mx.test>
      S: 503 5.5.1
      C: MAIL FROM:<secure@a.test>
      S: 503 5.5.1 Error: send HELO/EHLO first
      C: EHLO client.test
      S: 250
      C: RCPT TO:<secure@mx.test>
      S: 503 5.5.1`,
      );
    },
  );

  test('half a command in the segment of STARTTLS is no part of the first one over TLS', async () => {
    await conversation(
      inbox.port,
      `
      S: 220
      C: EHLO client.test
      S: 250
      C! STARTTLS\\r\\nRSET
      S: 220
      TLS
      C: EHLO client.test
      S: 250 SIZE
      C: NOOP
      S: 250`,
    );
  });

  test.each(injected)(
    '%s in segments behind STARTTLS is no TLS handshake: nothing runs',
    async (_, commands) => {
      using wire = await Wire.connect({ port: inbox.port });
      await converse(wire, 'S: 220\n C: EHLO client.test\n S: 250\n C: STARTTLS\n S: 220');
      await converse(
        wire,
        commands
          .split('\\r\\n')
          .map((line) => `C: ${line}`)
          .join('\n'),
      );
      expect(await wire.reply()).not.toMatch(/^250/);
      expect(inbox.messages).toEqual([]);
    },
  );

  test('commands behind half a TLS record: nothing runs', async () => {
    using wire = await Wire.connect({ port: inbox.port });
    await converse(wire, 'S: 220\n C: EHLO client.test\n S: 250\n C: STARTTLS\n S: 220');
    await converse(
      wire,
      String.raw`C! \x16\x03\x01\x00\xc8\x01MAIL FROM:<secure@evil.test>\r\n${'NOOP\\r\\n'.repeat(50)}`,
    );
    expect(await wire.reply()).not.toMatch(/^\d{3} /);
  });

  test('what EHLO said before TLS is forgotten', async () => {
    await conversation(
      inbox.port,
      `
      S: 220
      C: EHLO client.test
      S: 250
      C: STARTTLS
      S: 220
      TLS
      C: MAIL FROM:<secure@a.test>
      S: 503 5.5.1`,
    );
  });
});

describe('R8 STARTTLS', () => {
  test('takes no parameter, comes once, and nothing but EHLO, NOOP and QUIT comes before it', async () => {
    await conversation(
      inbox.port,
      `
      S: 220
      C: EHLO client.test
      S: 250
      C: STARTTLS now
      S: 501 5.5.4
      C: MAIL FROM:<secure@a.test>
      S: 530 5.7.0
      C: RCPT TO:<secure@mx.test>
      S: 530 5.7.0
      C: DATA
      S: 530 5.7.0
      C: AUTH PLAIN AHgAeA==
      S: 530 5.7.0
      C: HELO client.test
      S: 530 5.7.0
      C: RSET
      S: 530 5.7.0
      C: VRFY secure
      S: 530 5.7.0
      C: NOOP
      S: 250
      C: STARTTLS
      S: 220
      TLS
      C: EHLO client.test
      S: 250
      C: STARTTLS
      S: 503 5.5.1`,
    );
  });

  test('speaks TLS 1.3 only, with X25519 or better', async () => {
    const upgrade = async (options: Parameters<Wire['startTls']>[0]): Promise<void> => {
      using wire = await Wire.connect({ port: inbox.port });
      await converse(wire, 'S: 220\n C: EHLO client.test\n S: 250\n C: STARTTLS\n S: 220');
      await wire.startTls(options);
      await converse(wire, 'C: EHLO client.test\n S: 250');
    };
    await expect(upgrade({ maxVersion: 'TLSv1.2' })).rejects.toThrow(/alert protocol version/);
    await expect(upgrade({ ecdhCurve: 'P-256' })).rejects.toThrow(/alert/);
    await upgrade({ ecdhCurve: 'X25519' });
    await upgrade({ ecdhCurve: 'X25519MLKEM768' });
  });
});

describe('R9 pipelining', () => {
  test('a group of commands in one write is answered in order', async () => {
    await conversation(
      inbox.port,
      `${overTls}
      C! MAIL FROM:<secure@a.test>\\r\\nRCPT TO:<secure@far.test>\\r\\nRCPT TO:<secure@mx.test>\\r\\nDATA\\r\\n
      S: 250 2.1.0
      S: 550 5.7.1
      S: 250 2.1.5
      S: 354
      C! one\\r\\n.\\r\\nMAIL FROM:<secure@a.test>\\r\\nRCPT TO:<secure@mx.test>\\r\\nDATA\\r\\n
      S: 250 2.6.0
      S: 250 2.1.0
      S: 250 2.1.5
      S: 354
      C! two\\r\\n.\\r\\nQUIT\\r\\n
      S: 250 2.6.0
      S: 221
      S: closed`,
    );
    expect(inbox.messages.map(text)).toEqual(['one\r\n', 'two\r\n']);
  });

  test('the whole session in one write: what stands behind DATA is neither data nor commands', async () => {
    await conversation(
      inbox.port,
      `${overTls}
      C! MAIL FROM:<secure@a.test>\\r\\nRCPT TO:<secure@mx.test>\\r\\nDATA\\r\\nbody\\r\\n.\\r\\nQUIT\\r\\n
      S: 250
      S: 250
      S: 554 5.5.0
      S: closed`,
    );
    expect(inbox.messages).toEqual([]);
  });

  test('the replies to a group leave in one piece, and those to thousands all leave', async () => {
    using wire = await Wire.connect({ port: inbox.port });
    await wire.reply();
    await wire.say('EHLO client.test');
    await wire.say('STARTTLS');
    await wire.startTls();
    await wire.say('EHLO client.test');
    const pieces: string[] = [];
    wire.socket.on('data', (piece: Buffer) => pieces.push(piece.toString('latin1')));
    await wire.write('MAIL FROM:<secure@a.test>\r\nRCPT TO:<secure@mx.test>\r\nRSET\r\n');
    for (let at = 0; at < 3; at++) expect(await wire.reply()).toMatch(/^250/);
    expect(pieces).toHaveLength(1);
    // The last one's line is not whole yet.
    void wire.write(`${'RSET\r\n'.repeat(5_000)}RS`);
    for (let at = 0; at < 5_000; at++) expect(await wire.reply()).toMatch(/^250/);
    expect(await wire.say('ET')).toMatch(/^250/);
  });

  test('commands behind a refused DATA do not run', async () => {
    await conversation(
      inbox.port,
      `${overTls}
      C! MAIL FROM:<secure@a.test>\\r\\nDATA\\r\\nRCPT TO:<secure@mx.test>\\r\\nDATA\\r\\n
      S: 250
      S: 554 5.5.0
      S: closed`,
    );
  });

  test('DATA without a recipient is refused', async () => {
    await conversation(
      inbox.port,
      `${overTls}\n C! MAIL FROM:<secure@a.test>\\r\\nDATA\\r\\n\n S: 250\n S: 503 5.5.1\n C: NOOP\n S: 250`,
    );
  });

  test('who speaks before 220 is sent away', async () => {
    await using own = await openInbox({ limits: { greetingMs: 2000 } });
    await conversation(own.port, 'C! EHLO client.test\\r\\nSTARTTLS\\r\\n\n S: 421\n S: closed');
  });
});

test('R10 past the limit recipients are told 452, and the message goes to the accepted ones', async () => {
  using wire = await Wire.connect({ port: inbox.port });
  await converse(wire, `${overTls}\n C: MAIL FROM:<secure@a.test>\n S: 250`);
  const codes: Record<string, number> = {};
  const recipients = [
    'secure',
    'mix1',
    'mix2',
    ...Array.from({ length: 997 }, (_, n) => (n % 2 ? 'mix3' : 'mix4')),
  ];
  for (const local of recipients) {
    await wire.write(`RCPT TO:<${local}@mx.test>\r\n`);
    const code = (await wire.reply()).slice(0, 9);
    codes[code] = (codes[code] ?? 0) + 1;
  }
  expect(codes).toEqual({ '250 2.1.5': 3, '452 4.5.3': 997 });
  await converse(wire, 'C: DATA\n S: 354\n C! body\\r\\n.\\r\\n\n S: 250 2.6.0');
  expect(inbox.messages.map(({ recipient }) => recipient)).toEqual([
    'secure@mx.test',
    'mix1@mx.test',
    'mix2@mx.test',
  ]);
});

describe('R14 no relaying', () => {
  const senders = ['<>', '<secure@mx.test>', '<anyone@far.test>'];
  const recipients = [
    '<anyone@far.test>',
    '<anyone@mx.test>',
    '<user%far.test@mx.test>',
    '<@mx.test:user@far.test>',
    '<@mx.test:secure@mx.test>',
    '<"user@far.test"@mx.test>',
    '<"secure"@mx.test>',
    '<far.test!user@mx.test>',
    '<secure@[127.0.0.1]>',
    '<secure@mx.test.>',
    '<secure@far.test@mx.test>',
    '<SECURE@mx.test>',
    '<postmaster>',
    '<secure>',
  ];
  test.each(senders.flatMap((sender) => recipients.map((recipient) => ({ sender, recipient }))))(
    'from $sender to $recipient',
    async ({ sender, recipient }) => {
      await conversation(
        inbox.port,
        `${overTls}
        C: MAIL FROM:${sender}
        S: 250
        C: RCPT TO:${recipient}
        S: 550 5.7.1
        C: DATA
        S: 503`,
      );
    },
  );

  test.each(['secure@mx.test', '<secure@mx.test', ' <secure@mx.test>', '<>', '<sec ure@mx.test>'])(
    'RCPT TO:%s is no address',
    async (recipient) => {
      await conversation(
        inbox.port,
        `${overTls}\n C: MAIL FROM:<>\n S: 250\n C: RCPT TO:${recipient}\n S: 501 5.1.3`,
      );
    },
  );

  test('the accepted mailbox is taken from the null sender, its domain in any case', async () => {
    await conversation(
      inbox.port,
      `${overTls}
      C: MAIL FROM:<>
      S: 250
      C: RCPT TO:<secure@MX.Test>
      S: 250
      C: DATA
      S: 354
      C! x\\r\\n.\\r\\n
      S: 250`,
    );
    expect(inbox.messages.map(({ recipient }) => recipient)).toEqual(['secure@mx.test']);
  });
});

describe('R15 who the client is, it cannot say', () => {
  test.each(['XCLIENT ADDR=10.0.0.1', 'XFORWARD ADDR=10.0.0.1', 'PROXY TCP4 10.0.0.1 10.0.0.2 1 25'])(
    '%s, before TLS and after',
    async (command) => {
      await conversation(inbox.port, `S: 220\n C: ${command}\n S: 550 5.7.0`);
      await conversation(inbox.port, `${overTls}\n C: ${command}\n S: 550 5.7.0`);
    },
  );
});

test('unknown parameters are refused', async () => {
  await conversation(
    inbox.port,
    `${overTls}
    C: MAIL FROM:<secure@a.test> RET=HDRS
    S: 555 5.5.4
    C: MAIL FROM:<secure@a.test> BODY
    S: 501
    C: MAIL FROM:<secure@a.test>
    S: 250
    C: RCPT TO:<secure@mx.test> NOTIFY=NEVER
    S: 555 5.5.4`,
  );
});

describe('the answer to the data is the receiver’s', () => {
  test.each([
    [{ kind: 'rejected', code: 554, enhanced: '5.6.0', text: 'no carriage' }, '554 5.6.0 no carriage'],
    [{ kind: 'deferred', text: 'disk full' }, '451 4.3.0 disk full'],
    [{ kind: 'accepted' }, '250 2.6.0'],
  ] as const)('%o', async (decision, reply) => {
    await using own = await openInbox({ onMessage: () => Promise.resolve(decision) });
    await conversation(own.port, `${upToData}\n C! x\\r\\n.\\r\\n\n S: ${reply}\n C: NOOP\n S: 250`);
  });

  test('a fault of the receiver is told to its owner, not to the client', async () => {
    const faults: unknown[] = [];
    const fault = new Error('secret');
    await using own = await openInbox({
      onMessage: () => Promise.reject(fault),
      onFault: (thrown) => faults.push(thrown),
    });
    using wire = await Wire.connect({ port: own.port });
    await converse(wire, `${upToData}\n C! x\\r\\n.\\r\\n`);
    expect(await wire.reply()).toBe('451 4.3.0 not now');
    expect(faults).toEqual([fault]);
  });

  test('250 does not come before the receiver has it', async () => {
    const taken = Promise.withResolvers<{ kind: 'accepted' }>();
    const asked = Promise.withResolvers<void>();
    await using own = await openInbox({
      onMessage: () => {
        asked.resolve();
        return taken.promise;
      },
    });
    using wire = await Wire.connect({ port: own.port });
    await converse(wire, `${upToData}\n C! x\\r\\n.\\r\\n`);
    await asked.promise;
    const reply = wire.reply();
    expect(await Promise.race([reply, nextTurns(20).then(() => 'silence')])).toBe('silence');
    taken.resolve({ kind: 'accepted' });
    expect(await reply).toMatch(/^250 /);
  });

  test('of several recipients the first that is not accepted decides', async () => {
    const asked: string[] = [];
    await using own = await openInbox({
      accepts: () => true,
      onMessage: ({ recipient }) => {
        asked.push(recipient);
        return Promise.resolve(
          recipient === 'b@mx.test' ? { kind: 'deferred', text: 'later' } : { kind: 'accepted' },
        );
      },
    });
    await conversation(
      own.port,
      `${overTls}
      C! MAIL FROM:<>\\r\\nRCPT TO:<a@mx.test>\\r\\nRCPT TO:<b@mx.test>\\r\\nRCPT TO:<c@mx.test>\\r\\nDATA\\r\\n
      S: 250
      S: 250
      S: 250
      S: 250
      S: 354
      C! x\\r\\n.\\r\\n
      S: 451 4.3.0 later`,
    );
    expect(asked).toEqual(['a@mx.test', 'b@mx.test']);
  });
});

/** Lets what is already on its way through this process happen. */
async function nextTurns(count: number): Promise<void> {
  for (let n = 0; n < count; n += 1) await new Promise((resolve) => setImmediate(resolve));
}
