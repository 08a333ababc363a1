/* oxlint-disable vitest/expect-expect, vitest/no-conditional-expect -- helpers check what a listener says and what arrives; not every listener takes the same */
import { Wire } from '@postern/mail/testing';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  type Besieged,
  besiege,
  enter,
  haveBesieged,
  inAndOut,
  kinds,
  leave,
  passed,
  passedSince,
  recipient,
  startBesieged,
} from './hostile.ts';

/** Sessions that no decent client has, at the gateways of two domains with Debian's Postfix between them. */
describe.skipIf(!haveBesieged).each(kinds)('a session with the %s listener', (kind) => {
  const siege = besiege(kind);
  beforeEach(() => siege.remember());

  /** Up to STARTTLS. */
  const inClear = async (): Promise<Wire> => {
    const wire = await Wire.connect(siege.listener.at);
    expect(await wire.reply()).toMatch(/^220/);
    expect(await wire.say('EHLO client.test')).toMatch(/^250/);
    return wire;
  };

  /** What is put behind STARTTLS in clear, to run once there is TLS (CVE-2011-0411). */
  const injected = async (): Promise<string[]> => {
    const carriage = await siege.carriage();
    const envelope = `MAIL FROM:<${siege.listener.from}>\r\nRCPT TO:<${recipient}>\r\nDATA\r\n`;
    const auth = siege.listener.auth ?? 'AUTH PLAIN AGEAYg==';
    return [
      'EHLO evil.test\r\n',
      'HELO evil.test\r\n',
      'NOOP\r\n',
      'RSET\r\n',
      'QUIT\r\n',
      'STARTTLS\r\n',
      `MAIL FROM:<${siege.listener.from}>\r\n`,
      `${auth}\r\n`,
      `EHLO evil.test\r\n${auth}\r\n`,
      'AUTH LOGIN\r\n',
      `EHLO evil.test\r\n${auth}\r\n${envelope}`,
      `EHLO evil.test\r\n${auth}\r\n${envelope}${carriage}.\r\n`,
      `MAIL FROM:<${siege.listener.from}>\r\n`.repeat(300),
      `MAIL FROM:<${siege.listener.from.slice(0, 3)}`,
      'x'.repeat(2_000),
      '\r\n\r\n',
      '\0\0\0\r\n',
      `\x16\x03\x01\x00\xc8\x01${'NOOP\r\n'.repeat(20)}`,
    ];
  };

  /** Ways to send it; whether TLS has to come about, since the server cannot have begun with it. */
  const ways: [string, boolean, (wire: Wire, commands: string) => Promise<unknown>][] = [
    ['in the segment of STARTTLS', true, (wire, commands) => wire.write(`STARTTLS\r\n${commands}`)],
    [
      'in one segment with NOOP before',
      true,
      (wire, commands) => wire.write(`NOOP\r\nSTARTTLS\r\n${commands}`),
    ],
    ['in one segment, in lower case', true, (wire, commands) => wire.write(`starttls\r\n${commands}`)],
    [
      'from the middle of STARTTLS',
      true,
      async (wire, commands) => {
        await wire.write('START');
        await wire.write(`TLS\r\n${commands}`);
      },
    ],
    [
      'in the next segment',
      false,
      async (wire, commands) => {
        await wire.write('STARTTLS\r\n');
        await wire.write(commands);
      },
    ],
    [
      'in segments of seven octets',
      false,
      async (wire, commands) => {
        const octets = `STARTTLS\r\n${commands.slice(0, 400)}`;
        for (let at = 0; at < octets.length; at += 7) await wire.write(octets.slice(at, at + 7));
      },
    ],
    [
      'in a segment behind the answer',
      false,
      async (wire, commands) => {
        await wire.write('STARTTLS\r\n');
        await untilReady(wire);
        await wire.write(commands);
        return 'ready';
      },
    ],
  ];

  /** Up to the answer to STARTTLS, unless the server hangs up. */
  const untilReady = async (wire: Wire): Promise<void> => {
    for (let reply = ''; !reply.startsWith('220'); ) {
      reply = await wire.reply();
      if (!/^\d/.test(reply)) return;
    }
  };

  test.each(ways)('R7 commands %s do not run behind TLS', async (_way, comesAbout, send) => {
    let opened = 0;
    const all = await injected();
    for (const commands of all) {
      using wire = await inClear();
      if ((await send(wire, commands)) !== 'ready') await untilReady(wire);
      const handshake = wire.startTls().then(
        () => true,
        () => false,
      );
      if (!(await handshake)) continue;
      opened += 1;
      expect(await wire.say(`RCPT TO:<${recipient}>`)).toMatch(/^503 5\.5\.1/);
      expect(await wire.say(`MAIL FROM:<${siege.listener.from}>`)).toMatch(/^503 5\.5\.1/);
      expect(await wire.say('EHLO client.test')).toMatch(/^250/);
      expect(await wire.say(`RCPT TO:<${recipient}>`)).toMatch(/^503 5\.5\.1|^530/);
      if (kind === 'submission') expect(await wire.say(`MAIL FROM:<${siege.listener.from}>`)).toMatch(/^530/);
      await leave(wire);
    }
    if (comesAbout) expect(opened).toBe(all.length);
    await siege.onlyHonest();
  });

  test('R7 STARTTLS behind a bare LF or CR is no STARTTLS', async () => {
    for (const end of ['\n', '\r']) {
      using wire = await inClear();
      expect(await wire.say(`STARTTLS${end}MAIL FROM:<${siege.listener.from}>`)).toMatch(/^50\d/);
      expect(await wire.say(`MAIL FROM:<${siege.listener.from}>`)).toMatch(/^530 5\.7\.0/);
      await leave(wire);
    }
    await siege.onlyHonest();
  });

  test('R8 STARTTLS takes no parameter and comes once; nothing goes on before it', async () => {
    using wire = await inClear();
    expect(await wire.say('STARTTLS now')).toMatch(/^501 5\.5\./);
    const closed = [
      `MAIL FROM:<${siege.listener.from}>`,
      `RCPT TO:<${recipient}>`,
      'DATA',
      siege.listener.auth ?? 'AUTH PLAIN AGEAYg==',
    ];
    for (const command of closed) expect(await wire.say(command)).toMatch(/^530 5\.7\.0/);
    await leave(wire);
    using secure = await enter(siege.listener);
    expect(await secure.say('STARTTLS')).toMatch(/^503/);
    await siege.onlyHonest(secure);
  });

  test('R9 a session in one write: what stands behind DATA is neither data nor commands', async () => {
    const carriage = await siege.carriage();
    const envelope = `MAIL FROM:<${siege.listener.from}>\r\nRCPT TO:<${recipient}>\r\nDATA\r\n`;
    for (const behind of [`${carriage}.\r\nQUIT\r\n`, `NOOP\r\n`, envelope]) {
      using wire = await enter(siege.listener);
      await wire.write(`${envelope}${behind}`);
      const replies = [await wire.reply(), await wire.reply(), await wire.reply(), await wire.reply()];
      expect(replies.map((reply) => reply.slice(0, 3))).toEqual(['250', '250', '554', 'clo']);
    }
    await siege.onlyHonest();
  });

  test('R9 a group of commands is answered in order, and a carriage behind each 354 arrives', async () => {
    using wire = await enter(siege.listener);
    const envelope = `MAIL FROM:<${siege.listener.from}>\r\nRCPT TO:<${recipient}>\r\nDATA\r\n`;
    await wire.write(envelope);
    for (const code of ['250', '250', '354']) expect((await wire.reply()).slice(0, 3)).toBe(code);
    await wire.write(`${await siege.carriage()}.\r\n${envelope}`);
    for (const code of ['250', '250', '250', '354']) expect((await wire.reply()).slice(0, 3)).toBe(code);
    await wire.write(`${await siege.carriage()}.\r\nQUIT\r\n`);
    for (const code of ['250', '221', 'clo']) expect((await wire.reply()).slice(0, 3)).toBe(code);
    expect(await siege.since(2)).toEqual(inAndOut(kind, 2));
  });

  test('R9 who speaks before 220 is sent away', async () => {
    using wire = await Wire.connect(siege.listener.at);
    await wire.write(`EHLO client.test\r\nSTARTTLS\r\nMAIL FROM:<${siege.listener.from}>\r\n`);
    expect(await wire.reply()).toMatch(/^(421|554) /);
    expect(await wire.reply()).toBe('closed');
    await siege.onlyHonest();
  });

  test('R10 of 1,000 times a recipient the first one is kept, and the carriage comes once', async () => {
    using wire = await enter(siege.listener);
    expect(await wire.say(`MAIL FROM:<${siege.listener.from}>`)).toMatch(/^250/);
    const codes: Record<string, number> = {};
    const another = kind === 'submission' ? 'secure@far.test' : 'secure@gate.b.test';
    for (let n = 0; n < 1_000; n += 1) {
      const code = (await wire.say(`RCPT TO:<${n % 2 === 0 ? recipient : another}>`)).slice(0, 9);
      codes[code] = (codes[code] ?? 0) + 1;
    }
    expect(codes).toEqual({ '250 2.1.5': 500, '452 4.5.3': 500 });
    expect(await wire.say('DATA')).toMatch(/^354/);
    await wire.write(await siege.carriage());
    expect(await wire.say('.')).toMatch(/^250 2\.6\.0/);
    await leave(wire);
    expect(await siege.since(1)).toEqual(inAndOut(kind, 1));
  });

  /** Everything but a mailbox where carriages are taken, written plainly. */
  const relayed = [
    '<anyone@far.test>',
    '<anyone@b.test>',
    '<bob@b.test>',
    '<user%far.test@b.test>',
    '<secure%far.test@b.test>',
    '<@b.test:user@far.test>',
    '<@b.test:secure@b.test>',
    '<"user@far.test"@b.test>',
    '<"secure"@b.test>',
    '<far.test!user@b.test>',
    '<secure@[127.0.0.1]>',
    '<secure@b.test.>',
    '<secure@far.test@b.test>',
    '<SECURE@b.test>',
    '<postmaster>',
    '<secure>',
  ];
  test.each(relayed)('R14 to %s', async (to) => {
    using wire = await enter(siege.listener);
    const senders = kind === 'submission' ? ['alice@a.test'] : ['', 'secure@b.test', 'anyone@far.test'];
    for (const from of senders) {
      expect(await wire.say(`MAIL FROM:<${from}>`)).toMatch(/^250/);
      expect(await wire.say(`RCPT TO:${to}`)).toMatch(/^550 5\.7\.1/);
      expect(await wire.say('DATA')).toMatch(/^503/);
      expect(await wire.say('RSET')).toMatch(/^250/);
    }
    await siege.onlyHonest(wire);
  });

  test('R14 to the gateway of another domain: never from a stranger, and from an author carriages alone', async () => {
    using wire = await enter(siege.listener);
    const honest = await siege.carriage();
    if (kind === 'submission') {
      for (const from of ['', 'bob@a.test', 'secure@a.test', 'alice@b.test', 'anyone@far.test'])
        expect(await wire.say(`MAIL FROM:<${from}>`)).toMatch(/^550 5\.7\.1/);
      for (const data of [
        'Subject: spam\r\n\r\nbuy\r\n',
        honest,
        honest.replace('To: <secure@b.test>', 'To: <secure@far.test>'),
      ]) {
        expect(await wire.say(`MAIL FROM:<${siege.listener.from}>`)).toMatch(/^250/);
        expect(await wire.say('RCPT TO:<secure@far.test>')).toMatch(/^250/);
        expect(await wire.say('DATA')).toMatch(/^354/);
        await wire.write(data.replace('From: <secure@a.test>', 'From: <secure@evil.test>'));
        expect(await wire.say('.')).toMatch(/^554 5\.6\.0/);
      }
      using stranger = await enter({ ...siege.listener, auth: undefined });
      expect(await stranger.say(`MAIL FROM:<${siege.listener.from}>`)).toMatch(/^530/);
    } else {
      expect(await wire.say('MAIL FROM:<secure@a.test>')).toMatch(/^250/);
      for (const to of ['secure@far.test', 'secure@a.test', 'secure@gate.a.test'])
        expect(await wire.say(`RCPT TO:<${to}>`)).toMatch(/^550 5\.7\.1/);
      expect(await wire.say('RSET')).toMatch(/^250/);
    }
    await siege.onlyHonest(wire);
  });

  test.each(['XCLIENT ADDR=10.0.0.1', 'XFORWARD ADDR=10.0.0.1', 'PROXY TCP4 10.0.0.1 10.0.0.2 1 25'])(
    'R15 %s',
    async (command) => {
      using clear = await Wire.connect(siege.listener.at);
      expect(await clear.reply()).toMatch(/^220/);
      expect(await clear.say(command)).toMatch(/^550 5\.7\.0/);
      using wire = await enter(siege.listener);
      expect(await wire.say(command)).toMatch(/^550 5\.7\.0/);
      await siege.onlyHonest(wire);
    },
  );

  test('R16 REQUIRETLS is not offered, and refused: never dropped', async () => {
    using clear = await inClear();
    expect(await clear.say(`MAIL FROM:<${siege.listener.from}> REQUIRETLS`)).toMatch(/^530 5\.7\.0/);
    using wire = await enter(siege.listener);
    expect(await wire.say('EHLO client.test')).not.toContain('REQUIRETLS');
    for (const parameter of ['REQUIRETLS', 'REQUIRETLS=x', 'SIZE=10 REQUIRETLS'])
      expect(await wire.say(`MAIL FROM:<${siege.listener.from}> ${parameter}`)).toMatch(
        /^5(?:01|55) 5\.5\.4/,
      );
    expect(await wire.say(`RCPT TO:<${recipient}>`)).toMatch(/^503/);
    await siege.onlyHonest(wire);
  });
});

/** Postfix in front and behind has no relaying of its own to offer. */
describe.skipIf(!haveBesieged)('a stranger at the mail servers beside the gateways', () => {
  const stack = new AsyncDisposableStack();
  let besieged: Besieged;

  beforeAll(async () => {
    besieged = stack.use(await startBesieged());
  });
  afterAll(() => stack.disposeAsync());

  test('R14 where mail for the domain is taken, nobody else’s is', async () => {
    const { domains } = besieged;
    const before = await passed(domains);
    for (const { host } of [domains.a, domains.b]) {
      for (const from of ['', 'anyone@far.test', `secure@${host.domain}`]) {
        using wire = await Wire.connect({ ...host.smtp, from: '127.0.0.99' });
        expect(await wire.reply()).toMatch(/^220/);
        expect(await wire.say('EHLO far.test')).toMatch(/^250/);
        expect(await wire.say(`MAIL FROM:<${from}>`)).toMatch(/^250/);
        const d = host.domain;
        const others = [
          'anyone@far.test',
          `user%far.test@${d}`,
          `@${d}:user@far.test`,
          `"user@far.test"@${d}`,
          `far.test!user@${d}`,
        ];
        for (const to of others) expect(await wire.say(`RCPT TO:<${to}>`)).toMatch(/^[45]/);
        expect(await wire.say('DATA')).toMatch(/^[45]/);
      }
    }
    expect(await passedSince(domains, before, 0)).toEqual(inAndOut('delivery', 0));
  });

  test('R14 where the gateway hands over, it alone is let in, and only as what it is', async () => {
    const { domains } = besieged;
    const before = await passed(domains);
    for (const { host } of [domains.a, domains.b]) {
      for (const at of [host.relay.prefer, host.relay.require]) {
        for (const [from, sender] of [
          ['127.0.0.99', `secure@${host.domain}`],
          ['127.0.0.1', 'anyone@far.test'],
        ]) {
          const listener = { kind: 'delivery', at, auth: undefined, from: sender ?? '' } as const;
          using wire = await enter(listener, from);
          await wire.say(`MAIL FROM:<${sender}>`);
          expect(await wire.say('RCPT TO:<anyone@far.test>')).toMatch(/^[45]/);
        }
      }
    }
    expect(await passedSince(domains, before, 0)).toEqual(inAndOut('delivery', 0));
  });
});
