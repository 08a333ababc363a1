/* oxlint-disable vitest/expect-expect -- a conversation checks what the server says */

import { Wire } from '@postern/mail/testing';
import { describe, expect, test } from 'vitest';
import { conversation, converse, overTls } from './conversation.ts';
import { text } from './inbox.ts';
import { base64, openDesk, right, wrong } from './submission.ts';

const message = `
  C: DATA
  S: 354
  C! x\\r\\n.\\r\\n
  S: 250 2.6.0`;

test('AUTH is offered over TLS and not before, and not twice', async () => {
  await using desk = await openDesk();
  using wire = await Wire.connect({ port: desk.port });
  const hello = async (): Promise<string[]> => {
    await wire.write('EHLO client.test\r\n');
    return (await wire.reply()).split('\r\n').filter((line) => line.includes('AUTH'));
  };
  await wire.reply();
  expect(await hello()).toEqual([]);
  await converse(wire, 'C: STARTTLS\n S: 220\n TLS');
  expect(await hello()).toEqual(['250-AUTH PLAIN LOGIN']);
  await converse(wire, `C: AUTH PLAIN ${right}\n S: 235 2.7.0\n C: AUTH PLAIN ${right}\n S: 503 5.5.1`);
  expect(await hello()).toEqual([]);
});

describe('the forms of AUTH', () => {
  test.each([
    ['PLAIN with its response', `C: AUTH PLAIN ${right}`],
    ['PLAIN in lower case', `C: auth plain ${right}`],
    ['PLAIN after a challenge', `C: AUTH PLAIN\n S: 334 \n C: ${right}`],
    ['PLAIN for itself', `C: AUTH PLAIN ${base64('alice\0alice\0wonder land')}`],
    [
      'LOGIN',
      `C: AUTH LOGIN\n S: 334 VXNlcm5hbWU6\n C: YWxpY2U=\n S: 334 UGFzc3dvcmQ6\n C: d29uZGVyIGxhbmQ=`,
    ],
    ['LOGIN with its user', `C: AUTH LOGIN YWxpY2U=\n S: 334 UGFzc3dvcmQ6\n C: d29uZGVyIGxhbmQ=`],
  ])('%s', async (_, script) => {
    await using desk = await openDesk();
    await conversation(
      desk.port,
      `${overTls}${script}
      S: 235 2.7.0
      C: MAIL FROM:<alice@A.Test>
      S: 250
      C: RCPT TO:<secure@b.test>
      S: 250${message}`,
    );
    expect(desk.messages.map(({ from, author, recipient }) => ({ from, author, recipient }))).toEqual([
      { from: 'alice@a.test', author: 'Alice@a.test', recipient: 'secure@b.test' },
    ]);
    expect(desk.logins).toEqual([{ user: 'alice', password: 'wonder land', remote: '127.0.0.1' }]);
    expect(desk.outcomes).toEqual(['author']);
  });

  test('a user and a password of thousands of octets, and a line of no more than 12,288', async () => {
    await using desk = await openDesk();
    const long = base64(`\0${'u'.repeat(4500)}\0${'p'.repeat(4500)}`);
    await conversation(
      desk.port,
      `${overTls}
      C: AUTH PLAIN ${long}
      S: 535 5.7.8
      C: AUTH PLAIN
      S: 334
      C: ${long}
      S: 535 5.7.8
      C: NOOP ${'x'.repeat(1100)}
      S: 421 5.5.2
      S: closed`,
    );
    expect(desk.logins.map(({ user, password }) => [user.length, password.length])).toEqual([
      [4500, 4500],
      [4500, 4500],
    ]);
    await conversation(
      desk.port,
      `${overTls}\n C: AUTH PLAIN ${'A'.repeat(12_288)}\n S: 421 5.5.2\n S: closed`,
    );
    await conversation(
      desk.port,
      `S: 220\n C: EHLO client.test\n S: 250\n C: AUTH PLAIN ${long}\n S: 421 5.5.2\n S: closed`,
    );
    await conversation(
      desk.port,
      `${overTls}\n C: AUTH PLAIN ${right}\n S: 235\n C: AUTH PLAIN ${long}\n S: 421 5.5.2\n S: closed`,
    );
  });

  test.each([
    ['base64 that no encoder writes', 'AUTH PLAIN AGFsaWNlAHdvbmRlciBsYW5k='],
    ['a blank in base64', 'AUTH PLAIN AGFs aWNl'],
    ['no base64', 'AUTH PLAIN !'],
    ['nothing', 'AUTH PLAIN ='],
    ['one part', `AUTH PLAIN ${base64('alice')}`],
    ['two parts', `AUTH PLAIN ${base64('alice\0wonder land')}`],
    ['four parts', `AUTH PLAIN ${base64('\0alice\0wonder\0land')}`],
    ['no user', `AUTH PLAIN ${base64('\0\0wonder land')}`],
    ['no password', `AUTH PLAIN ${base64('\0alice\0')}`],
    ['a line end in the user', `AUTH PLAIN ${base64('\0alice\r\nMAIL FROM:<x@a.test>\0wonder land')}`],
    ['a line end in the password', `AUTH PLAIN ${base64('\0alice\0wonder land\n')}`],
    ['what is no UTF-8', `AUTH PLAIN ${base64('\0alic\xe9\0wonder land')}`],
    ['a line end in the user of LOGIN', `AUTH LOGIN ${base64('alice\r\n')}\n S: 334\n C: d29uZGVyIGxhbmQ=`],
  ])('malformed: %s', async (_, command) => {
    await using desk = await openDesk();
    await conversation(desk.port, `${overTls}\n C: ${command}\n S: 501 5.5.2\n C: NOOP\n S: 250`);
    expect(desk.logins).toEqual([]);
  });

  test('a mechanism that there is not, and one that would act for another', async () => {
    await using desk = await openDesk();
    await conversation(
      desk.port,
      `${overTls}
      C: AUTH CRAM-MD5
      S: 504 5.5.4
      C: AUTH PLAIN ${base64('bob\0alice\0wonder land')}
      S: 535 5.7.8 wrong login
      C: AUTH
      S: 504
      S: 421 4.7.0`,
    );
    expect(desk.logins).toEqual([]);
  });

  test.each(['PLAIN', 'LOGIN'])('* cancels %s, and what follows is a command again', async (mechanism) => {
    await using desk = await openDesk();
    await conversation(
      desk.port,
      `${overTls}
      C: AUTH ${mechanism}
      S: 334
      C: *
      S: 501 5.7.0
      C: NOOP
      S: 250
      C: AUTH LOGIN YWxpY2U=
      S: 334
      C: *
      S: 501 5.7.0
      C: AUTH PLAIN ${right}
      S: 235`,
    );
  });
});

describe('before AUTH nobody sends, and after it only as themselves', () => {
  test('MAIL before AUTH', async () => {
    await using desk = await openDesk();
    await conversation(
      desk.port,
      `${overTls}
      C: MAIL FROM:<alice@a.test>
      S: 530 5.7.0 AUTH first
      C: RCPT TO:<secure@b.test>
      S: 530 5.7.0
      C: DATA
      S: 530 5.7.0
      C: AUTH PLAIN ${wrong}
      S: 535
      C: MAIL FROM:<alice@a.test>
      S: 530 5.7.0`,
    );
  });

  test.each(['bob@a.test', 'alice@b.test', 'secure@a.test', '', 'alice@a.test.evil.test'])(
    'MAIL FROM:<%s>',
    async (sender) => {
      await using desk = await openDesk();
      await conversation(
        desk.port,
        `${overTls}
        C: AUTH PLAIN ${right}
        S: 235
        C: MAIL FROM:<${sender}>
        S: 550 5.7.1
        C: RCPT TO:<secure@b.test>
        S: 503`,
      );
    },
  );

  test('recipients are judged, and there is one', async () => {
    await using desk = await openDesk(
      {},
      {
        accepts: (mailbox) =>
          mailbox === 'secure@later.test'
            ? { kind: 'deferred', text: 'no consensus' }
            : mailbox === 'secure@never.test'
              ? { kind: 'rejected', code: 550, enhanced: '5.1.10', text: 'takes no mail' }
              : mailbox.startsWith('secure@'),
      },
    );
    await conversation(
      desk.port,
      `${overTls}
      C: AUTH PLAIN ${right}
      S: 235
      C: MAIL FROM:<alice@a.test> AUTH=<> SIZE=3
      S: 250
      C: RCPT TO:<bob@b.test>
      S: 550 5.7.1
      C: RCPT TO:<secure@later.test>
      S: 451 4.3.0 no consensus
      C: RCPT TO:<secure@never.test>
      S: 550 5.1.10 takes no mail
      C: RCPT TO:<secure@b.test>
      S: 250
      C: RCPT TO:<secure@c.test>
      S: 452 4.5.3${message}`,
    );
    expect(desk.messages.map(text)).toEqual(['x\r\n']);
  });

  test('where nobody can log in the return path is anybody’s, and there is no author', async () => {
    await using desk = await openDesk({}, { auth: undefined as never });
    await conversation(
      desk.port,
      `${overTls}
      C: MAIL FROM:<X@A.Test> AUTH=<>
      S: 555 5.5.4
      C: MAIL FROM:<X@A.Test>
      S: 250
      C: RCPT TO:<secure@b.test>
      S: 250${message}
      C: MAIL FROM:<>
      S: 250
      C: RCPT TO:<secure@b.test>
      S: 250${message}`,
    );
    expect(desk.messages.map(({ from, ...rest }) => [from, 'author' in rest])).toEqual([
      ['X@a.test', false],
      ['', false],
    ]);
  });
});

describe('injection around AUTH', () => {
  test('AUTH before TLS: 530, and its response is no command', async () => {
    await using desk = await openDesk();
    await conversation(
      desk.port,
      `
      S: 220
      C: EHLO client.test
      S: 250
      C: AUTH PLAIN ${right}
      S: 530 5.7.0
      C: AUTH LOGIN
      S: 530 5.7.0
      C: YWxpY2U=
      S: 530 5.7.0`,
    );
    expect(desk.logins).toEqual([]);
  });

  test.each([
    ['a whole AUTH', `AUTH PLAIN ${right}\\r\\nMAIL FROM:<alice@a.test>\\r\\n`],
    ['the begin of an exchange, which would take the next line for a password', 'AUTH LOGIN YWxpY2U=\\r\\n'],
    ['half an AUTH', 'AUTH PLAIN '],
  ])('%s in the segment of STARTTLS: nobody is logged in afterwards', async (_, injected) => {
    await using desk = await openDesk();
    await conversation(
      desk.port,
      `
      S: 220
      C: EHLO client.test
      S: 250
      C! STARTTLS\\r\\n${injected}
      S: 220
      TLS
      C: AUTH PLAIN ${right}
      S: 503 5.5.1
      C: EHLO client.test
      S: 250
      C: MAIL FROM:<alice@a.test>
      S: 530 5.7.0`,
    );
    expect(desk.logins).toEqual([]);
  });

  test.each([
    ['PLAIN', `AUTH PLAIN\\r\\n${right}\\r\\n`],
    ['PLAIN and a command', `AUTH PLAIN\\r\\n${right}\\r\\nNOOP\\r\\n`],
    ['LOGIN', 'AUTH LOGIN\\r\\nYWxpY2U=\\r\\nd29uZGVyIGxhbmQ=\\r\\n'],
    ['LOGIN with its user', 'AUTH LOGIN YWxpY2U=\\r\\nd29u'],
  ])('a response that does not wait for its 334 is neither response nor command: %s', async (_, octets) => {
    await using desk = await openDesk();
    await conversation(desk.port, `${overTls}\n C! ${octets}\n S: 503 5.5.1\n S: closed`);
    expect(desk.logins).toEqual([]);
  });

  test('what stands behind an AUTH that is answered at once runs once it is answered', async () => {
    await using desk = await openDesk();
    await conversation(
      desk.port,
      `${overTls}
      C! MAIL FROM:<alice@a.test>\\r\\nAUTH PLAIN ${right}\\r\\nMAIL FROM:<alice@a.test>\\r\\nNOOP\\r\\n
      S: 530
      S: 235
      S: 250 2.1.0
      S: 250`,
    );
  });

  test.each([
    ['a command', 'MAIL FROM:<alice@a.test>'],
    ['a word of proxies', 'PROXY TCP4'],
    ['a bare CR', `${right}\\r`],
    ['a bare LF', `${right}\\nNOOP`],
    ['a NUL', `${right}\\0`],
    ['an octet above 127', `${right}\\xe4`],
    ['a star and more', '* '],
  ])('a response that is %s is malformed, and ends the exchange', async (_, octets) => {
    await using desk = await openDesk();
    await conversation(
      desk.port,
      `${overTls}
      C: AUTH PLAIN
      S: 334
      C! ${octets}\\r\\n
      S: 501 5.5.2
      C: NOOP
      S: 250`,
    );
    expect(desk.logins).toEqual([]);
  });
});

test('an exchange whose octets come one by one is the same exchange', async () => {
  await using desk = await openDesk();
  using wire = await Wire.connect({ port: desk.port });
  await converse(wire, overTls);
  for (const [line, reply] of [
    ['AUTH LOGIN', '334 VXNlcm5hbWU6'],
    [base64('alice'), '334 UGFzc3dvcmQ6'],
    [base64('wonder land'), '235 2.7.0'],
  ] as const) {
    for (const octet of `${line}\r\n`) await wire.write(octet);
    expect((await wire.reply()).slice(0, reply.length)).toBe(reply);
  }
});

describe('A4 who tries out passwords', () => {
  test('hears the same for a wrong user and a wrong password, and 421 after the third', async () => {
    await using desk = await openDesk();
    using wire = await Wire.connect({ port: desk.port });
    await converse(wire, overTls);
    const replies: string[] = [];
    for (const login of [wrong, base64('\0nobody\0x'), wrong]) {
      await wire.write(`AUTH PLAIN ${login}\r\n`);
      replies.push(await wire.reply());
    }
    replies.push(await wire.reply(), await wire.reply());
    expect(replies).toEqual([
      '535 5.7.8 wrong login',
      '535 5.7.8 wrong login',
      '535 5.7.8 wrong login',
      '421 4.7.0 too many failed logins',
      'closed',
    ]);
    expect(desk.outcomes).toEqual(['refused', 'refused', 'refused']);
  });

  test('nobody to ask: 454, and no failure of the login', async () => {
    const faults: unknown[] = [];
    await using desk = await openDesk({}, { onFault: (fault) => faults.push(fault) });
    await conversation(
      desk.port,
      `${overTls}
      C: AUTH PLAIN ${base64('\0later\0x')}
      S: 454 4.7.0 not now
      C: AUTH PLAIN ${base64('\0broken\0hush')}
      S: 454 4.7.0 not now`,
    );
    expect(desk.outcomes).toEqual(['unavailable', 'unavailable']);
    expect(faults).toEqual([new Error('no database')]);
    expect(desk.waits).toEqual([]);
  });

  test('waits longer after each failure of the login, from wherever, and not for ever', async () => {
    const limits = { delayMs: 100, maxDelayMs: 500 };
    await using desk = await openDesk({ limits });
    for (let n = 0; n < 6; n += 1) await guess(desk.port, `127.0.0.${n + 10}`, wrong, '535');
    expect(desk.waits).toEqual([100, 200, 400, 500, 500]);
    await guess(desk.port, '127.0.0.9', right, '235');
    expect(desk.waits).toHaveLength(6);
  });

  test('is not heard any more after so many failures of the login, until the window has passed', async () => {
    await using desk = await openDesk({ limits: { maxFailuresPerLogin: 3, windowMs: 1000 } });
    for (const login of [wrong, base64('\0ALICE\0x'), wrong])
      await guess(desk.port, '127.0.0.2', login, '535');
    await guess(desk.port, '127.0.0.3', right, '454 4.7.0 not now');
    expect(desk.logins).toHaveLength(3);
    expect(desk.outcomes.at(-1)).toBe('slowed-down');
    await guess(desk.port, '127.0.0.3', base64('\0bob\0x'), '535');
    desk.pass(1000);
    await guess(desk.port, '127.0.0.3', right, '235');
  });

  test('does not lock out who has logged in from the same remote before', async () => {
    await using desk = await openDesk({ limits: { maxFailuresPerLogin: 3 } });
    await guess(desk.port, '127.0.0.2', right, '235');
    for (let n = 0; n < 3; n += 1) await guess(desk.port, '127.0.0.3', wrong, '535');
    await guess(desk.port, '127.0.0.3', right, '454');
    const waits = desk.waits.length;
    await guess(desk.port, '127.0.0.2', right, '235');
    expect(desk.waits).toHaveLength(waits);
  });

  test('is not heard any more after so many failures from the remote, whatever the login', async () => {
    await using desk = await openDesk({ limits: { maxFailuresPerRemote: 4 } });
    for (let n = 0; n < 4; n += 1) await guess(desk.port, '127.0.0.2', base64(`\0user${n}\0x`), '535');
    await guess(desk.port, '127.0.0.2', right, '454');
    await guess(desk.port, '127.0.0.3', right, '235');
  });

  test('has no more tries in many sessions at once', async () => {
    const judged = Promise.withResolvers<{ kind: 'refused' }>();
    let asked = 0;
    const authenticate = (): Promise<{ kind: 'refused' }> => {
      asked += 1;
      return judged.promise;
    };
    await using desk = await openDesk({ authenticate, limits: { maxFailuresPerLogin: 3 } });
    const wires = await Promise.all(Array.from({ length: 8 }, () => Wire.connect({ port: desk.port })));
    const replies = wires.map(async (wire) => {
      await converse(wire, overTls);
      await wire.write(`AUTH PLAIN ${wrong}\r\n`);
      return (await wire.reply()).slice(0, 3);
    });
    await Promise.race(replies);
    await until(() => desk.outcomes.length === 5);
    judged.resolve({ kind: 'refused' });
    expect((await Promise.all(replies)).sort()).toEqual([
      '454',
      '454',
      '454',
      '454',
      '454',
      '535',
      '535',
      '535',
    ]);
    expect(asked).toBe(3);
    for (const wire of wires) wire.cut();
  });

  test('goes away while its login is looked at: nothing is said, and the server goes on', async () => {
    const asked = Promise.withResolvers<void>();
    const judged = Promise.withResolvers<{ kind: 'refused' }>();
    const authenticate = (): Promise<{ kind: 'refused' }> => {
      asked.resolve();
      return judged.promise;
    };
    await using desk = await openDesk({ authenticate });
    using wire = await Wire.connect({ port: desk.port });
    await converse(wire, `${overTls}\n C: AUTH PLAIN ${wrong}`);
    await asked.promise;
    wire.cut();
    judged.resolve({ kind: 'refused' });
    await guess(desk.port, '127.0.0.2', wrong, '535');
  });
});

describe('TLS for submission', () => {
  test('implicit TLS: no word in clear, no STARTTLS, the rest as ever', async () => {
    await using desk = await openDesk({}, { implicitTls: true });
    using wire = await Wire.connect({ port: desk.port });
    await wire.startTls();
    expect(await wire.reply()).toBe('220 mx.test ESMTP');
    await wire.write('EHLO client.test\r\n');
    const hello = await wire.reply();
    expect(hello).toContain('250-AUTH PLAIN LOGIN');
    expect(hello).not.toContain('STARTTLS');
    await converse(
      wire,
      `
      C: STARTTLS
      S: 503
      C: AUTH PLAIN ${right}
      S: 235
      C: MAIL FROM:<alice@a.test>
      S: 250
      C: RCPT TO:<secure@b.test>
      S: 250${message}`,
    );
    expect(desk.messages.map(text)).toEqual(['x\r\n']);
  });

  test('implicit TLS: who speaks in clear is heard by nobody', async () => {
    await using desk = await openDesk({}, { implicitTls: true });
    using wire = await Wire.connect({ port: desk.port });
    await wire.write(`EHLO client.test\r\nAUTH PLAIN ${right}\r\n`);
    expect(await wire.reply()).not.toMatch(/^\d{3} /);
    expect(desk.logins).toEqual([]);
  });

  test('implicit TLS: a handshake that does not come to its end holds a place no longer than it may', async () => {
    await using desk = await openDesk({}, { implicitTls: true, limits: { tlsMs: 300, maxConnections: 1 } });
    using idle = await Wire.connect({ port: desk.port });
    expect(await idle.reply()).toBe('closed');
    using wire = await Wire.connect({ port: desk.port });
    await wire.startTls();
    expect(await wire.reply()).toMatch(/^220 /);
  });

  test('implicit TLS: one in its handshake holds a place, and loses it to the next', async () => {
    await using desk = await openDesk({}, { implicitTls: true, limits: { maxConnections: 1 } });
    using idle = await Wire.connect({ port: desk.port });
    using wire = await Wire.connect({ port: desk.port });
    await wire.startTls();
    expect(await idle.reply()).toBe('closed');
    expect(await wire.reply()).toMatch(/^220 /);
  });

  test('TLS 1.2 with curves that everybody has, where it is allowed', async () => {
    await using desk = await openDesk();
    for (const options of [{ maxVersion: 'TLSv1.2' }, { ecdhCurve: 'P-256' }] as const) {
      using wire = await Wire.connect({ port: desk.port });
      await converse(wire, 'S: 220\n C: EHLO client.test\n S: 250\n C: STARTTLS\n S: 220');
      await wire.startTls(options);
      await converse(wire, 'C: EHLO client.test\n S: 250');
    }
  });
});

/** One login in a session of its own. */
async function guess(port: number, from: string, login: string, reply: string): Promise<void> {
  using wire = await Wire.connect({ port, from });
  await converse(wire, `${overTls}\n C: AUTH PLAIN ${login}\n S: ${reply}`);
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
