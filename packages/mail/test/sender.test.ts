import { randomBytes } from 'node:crypto';
import { createServer } from 'node:net';
import {
  carriageLength,
  createSmtpSender,
  makeCarriage,
  type OutgoingMessage,
  openCarriage,
  type SendResult,
  spkiPin,
} from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { createIdentity } from './certificate.ts';
import { createSender, pinned, sent } from './handing-on.ts';
import { identity, openInbox, text } from './inbox.ts';
import { greeting, openPeer, taken } from './peer.ts';

const pin = spkiPin(identity.cert);
/** With an RSA key TLS 1.2 needs no curve that we do not offer. */
const rsa = await createIdentity('mx.test', 'RSA');
const hello = Buffer.from('Subject: x\r\n\r\nhello\r\n');

function mail(more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return { from: 'secure@a.test', to: 'secure@mx.test', message: hello, ...more };
}

describe('what arrives', () => {
  test.each([
    ['dots', '.\r\n..\r\n.x\r\nx.\r\n\r\n.\r\n'],
    ['only a dot', '.\r\n'],
    ['an empty line', '\r\n'],
    ['octets above 127', '\xe4\xff\x80\r\n'],
    ['longest lines', `${'.'.repeat(998)}\r\n${'x'.repeat(998)}\r\n`],
    ['64 KiB of dots', '.\r\n'.repeat(21_845)],
  ])('is what was sent, octet for octet: %s', async (_, message) => {
    await using inbox = await openInbox();
    await using sender = createSender();
    const result = await sender.send(pinned(inbox.port), mail({ message: Buffer.from(message, 'latin1') }));
    expect(result).toEqual(sent);
    expect(inbox.messages.map(text)).toEqual([message]);
  });

  test('is a carriage that opens', async () => {
    const bytes = randomBytes(32_768);
    await using inbox = await openInbox({ maxBytes: carriageLength(bytes.length) });
    await using sender = createSender();
    const domains = { fromDomain: 'a.test', toDomain: 'mx.test' };
    const message = makeCarriage({ ...domains, bytes, now: new Date(), random: randomBytes });
    expect(await sender.send(pinned(inbox.port), mail({ message }))).toEqual(sent);
    expect(openCarriage(inbox.messages[0]?.bytes ?? new Uint8Array(), bytes.length)).toMatchObject({
      kind: 'carriage',
      bytes,
    });
  });
});

describe('the wire', () => {
  test('shows the configured name and nothing else before TLS; dots are stuffed', async () => {
    await using peer = await openPeer([`${greeting}${taken}\n C: QUIT\n S: 221 bye`]);
    await using sender = createSender();
    expect(await sender.send(pinned(peer.port), mail({ message: Buffer.from('.\r\n.x\r\n') }))).toEqual(sent);
    await sender.close();
    expect(await peer.outcomes()).toEqual([undefined]);
    expect(peer.heard).toEqual([
      [
        'EHLO sender.test',
        'STARTTLS',
        'EHLO sender.test',
        'MAIL FROM:<secure@a.test>',
        'RCPT TO:<secure@mx.test>',
        'DATA',
        '..\r\n..x\r\n.\r\n',
        'QUIT',
      ],
    ]);
  });

  test('what a peer says in clear behind its answer to STARTTLS is not heard', async () => {
    const injected = greeting.replace('S: 220 go', 'S: 220 go\\r\\n250-evil\\r\\n250 SIZE 1');
    await using peer = await openPeer([injected + taken]);
    await using sender = createSender();
    expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
  });

  test('prefers a post-quantum key exchange, and takes X25519', async () => {
    for (const ecdhCurve of ['X25519MLKEM768', 'X25519']) {
      await using peer = await openPeer([greeting + taken], { tls: { ecdhCurve } });
      await using sender = createSender();
      expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
    }
  });
});

describe('TLS', () => {
  test('another key than the pinned one: nothing but EHLO was sent', async () => {
    await using peer = await openPeer([`${greeting}\n END`], { tls: await createIdentity('mx.test') });
    await using sender = createSender();
    expect(await sender.send(pinned(peer.port), mail())).toEqual({ kind: 'untrusted' });
    expect(peer.heard).toEqual([['EHLO sender.test', 'STARTTLS', 'EHLO sender.test']]);
  });

  test('a pin may be written in upper case', async () => {
    await using inbox = await openInbox();
    await using sender = createSender();
    const peer = { ...pinned(inbox.port), tlsPin: pin.toUpperCase() };
    expect(await sender.send(peer, mail())).toEqual(sent);
  });

  test.each([
    ['STARTTLS not offered', 'S: 220 x\n C: EHLO\n S: 250 mx.test\n C: STARTTLS\n S: 502 no\n END', {}],
    ['STARTTLS refused', 'S: 220 x\n C: EHLO\n S: 250 STARTTLS\n C: STARTTLS\n S: 501 no\n END', {}],
    [
      'TLS 1.2',
      'S: 220 x\n C: EHLO\n S: 250 STARTTLS\n C: STARTTLS\n S: 220 go\n TLS\n C: EHLO',
      { ...rsa, maxVersion: 'TLSv1.2' },
    ],
    [
      'P-256 only',
      'S: 220 x\n C: EHLO\n S: 250 STARTTLS\n C: STARTTLS\n S: 220 go\n TLS',
      { ecdhCurve: 'P-256' },
    ],
  ] as const)('%s: no TLS, and no mailbox in clear', async (_, script, tls) => {
    await using peer = await openPeer([script], { tls });
    await using sender = createSender();
    const { cert = identity.cert } = tls as { cert?: string };
    const result = await sender.send({ ...pinned(peer.port), tlsPin: spkiPin(cert) }, mail());
    expect(result).toEqual({ kind: 'no-tls' });
    expect(peer.heard).toEqual([['EHLO sender.test', 'STARTTLS']]);
  });
});

describe('what a peer says', () => {
  const beforeMail: [string, string, SendResult][] = [
    ['hangs up before its greeting', 'CUT', deferred('lost')],
    ['greets with 554', 'S: 554 no\n END', deferred('busy')],
    ['greets with 421', 'S: 421 4.3.2 later\n END', deferred('busy')],
    ['greets with noise', 'S: hello\n END', deferred('protocol')],
    ['knows no EHLO', 'S: 220 x\n C: EHLO\n S: 502 no\n END', deferred('busy')],
    [
      'cannot do TLS now',
      'S: 220 x\n C: EHLO\n S: 250 STARTTLS\n C: STARTTLS\n S: 454 later\n END',
      deferred('busy'),
    ],
    [
      'hangs up in the handshake',
      'S: 220 x\n C: EHLO\n S: 250 STARTTLS\n C: STARTTLS\n S: 220 go\n CUT',
      deferred('lost'),
    ],
    ['hangs up after TLS', greeting.slice(0, greeting.indexOf('TLS\n') + 4), deferred('lost')],
  ];
  const replies: [string, string, SendResult][] = [
    ['MAIL 552', 'C: MAIL\n S: 552 5.3.4 big', refused(552, '5.3.4')],
    ['RCPT 550', 'C: MAIL\n S: 250 ok\n C: RCPT\n S: 550 5.7.1 no relaying', refused(550, '5.7.1')],
    ['RCPT 553 with no enhanced code', 'C: MAIL\n S: 250 ok\n C: RCPT\n S: 553 no', refused(553, '5.0.0')],
    ['RCPT 450', 'C: MAIL\n S: 250 ok\n C: RCPT\n S: 450 4.2.1 later', deferred('busy')],
    ['DATA 451', 'C: MAIL\n S: 250 ok\n C: RCPT\n S: 250 ok\n C: DATA\n S: 451 later', deferred('busy')],
    ['554 after data', taken.replace('250 2.6.0 taken', '554 5.6.0 no carriage'), refused(554, '5.6.0')],
    ['451 after data', taken.replace('250 2.6.0 taken', '451 4.3.0 disk full'), deferred('busy')],
    [
      '554 in several lines',
      taken.replace('250 2.6.0 taken', '554-5.6.0 no\\r\\n554 5.6.0 no'),
      refused(554, '5.6.0'),
    ],
  ];
  const losses: [string, string, SendResult][] = [
    ['cut at MAIL', 'C: MAIL\n CUT', deferred('lost')],
    ['cut at RCPT', 'C: MAIL\n S: 250 ok\n C: RCPT\n CUT', deferred('lost')],
    ['421 after data', taken.replace('250 2.6.0 taken', '421 4.3.2 down'), deferred('busy')],
    ['cut after the final dot', taken.replace('S: 250 2.6.0 taken', 'CUT'), deferred('lost', true)],
    [
      'half an answer after the final dot',
      taken.replace('S: 250 2.6.0 taken', 'S: 250-2.6.0 tak\n CUT'),
      deferred('lost', true),
    ],
    ['noise after the final dot', taken.replace('250 2.6.0 taken', '???'), deferred('protocol', true)],
  ];

  test.each(beforeMail)('%s: to be tried again, whatever the code', async (_, script, result) => {
    await using peer = await openPeer([script]);
    await using sender = createSender();
    expect(await sender.send(pinned(peer.port), mail())).toEqual(result);
  });

  test.each(replies)(
    '%s: and the connection takes the next message after RSET',
    async (_, script, result) => {
      await using peer = await openPeer([`${greeting}${script}\n C: RSET\n S: 250 ok\n${taken}`]);
      await using sender = createSender();
      expect(await sender.send(pinned(peer.port), mail())).toEqual(result);
      expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
      expect(peer.connections).toBe(1);
    },
  );

  test.each(losses)('%s: the next message goes over another connection', async (_, script, result) => {
    await using peer = await openPeer([greeting + script, greeting + taken]);
    await using sender = createSender();
    expect(await sender.send(pinned(peer.port), mail())).toEqual(result);
    expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
    expect(peer.connections).toBe(2);
  });

  test('refuses RSET: the next message goes over another connection', async () => {
    const first = 'C: MAIL\n S: 552 5.3.4 big\n C: RSET\n S: 500 what\n END';
    await using peer = await openPeer([greeting + first, greeting + taken]);
    await using sender = createSender();
    expect(await sender.send(pinned(peer.port), mail())).toEqual(refused(552, '5.3.4'));
    expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
  });

  test('nobody listens: unreachable', async () => {
    const server = createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port)),
    );
    await new Promise((resolve) => server.close(resolve));
    await using sender = createSender();
    expect(await sender.send(pinned(port), mail())).toEqual(deferred('unreachable'));
  });
});

describe.concurrent('time', () => {
  test.each([
    ['never greets', 'END'],
    ['greets an octet now and then', 'TRICKLE'],
    ['never answers EHLO', 'S: 220 x\n C: EHLO\n END'],
    ['answers EHLO an octet now and then', 'S: 220 x\n C: EHLO\n TRICKLE'],
    ['never shakes hands', 'S: 220 x\n C: EHLO\n S: 250 STARTTLS\n C: STARTTLS\n S: 220 go\n END'],
    ['never answers EHLO after TLS', `${greeting.slice(0, greeting.indexOf('TLS\n') + 4)}\n END`],
  ])('a peer that %s has until connectMs', async (_, script) => {
    await using peer = await openPeer([script]);
    await using sender = createSender({ timeouts: { connectMs: 200 } });
    expect(await sender.send(pinned(peer.port), mail())).toEqual(deferred('timeout'));
  });

  test.each([
    ['never answers MAIL', 'C: MAIL\n END', false],
    ['never answers DATA', 'C: MAIL\n S: 250 ok\n C: RCPT\n S: 250 ok\n C: DATA\n END', false],
    ['never answers the data', taken.replace('S: 250 2.6.0 taken', 'END'), true],
    ['answers the data an octet now and then', taken.replace('S: 250 2.6.0 taken', 'TRICKLE'), true],
  ] as const)('a peer that %s has until sendMs', async (_, script, maybeDelivered) => {
    await using peer = await openPeer([greeting + script]);
    await using sender = createSender({ timeouts: { sendMs: 1000 } });
    expect(await sender.send(pinned(peer.port), mail())).toEqual(deferred('timeout', maybeDelivered));
  });

  test.each([
    ['at the greeting', 'END', false],
    ['at MAIL', `${greeting}C: MAIL\n END`, false],
    ['at the answer to the data', `${greeting}${taken.replace('S: 250 2.6.0 taken', 'END')}`, true],
  ] as const)('the caller’s signal ends it %s', async (_, script, maybeDelivered) => {
    await using peer = await openPeer([script]);
    await using sender = createSender();
    const abort = new AbortController();
    const sending = sender.send(pinned(peer.port), mail({ signal: abort.signal }));
    const heard = script.match(/^\s*(?:C: |DATA)/gm)?.length ?? 0;
    await until(() => peer.connections === 1 && peer.heard[0]?.length === heard);
    abort.abort();
    expect(await sending).toEqual(deferred('aborted', maybeDelivered));
  });

  test.each([
    ['at the answer to RCPT', `${greeting}C: MAIL\n S: 250 ok\n C: RCPT\n END`, 0],
    ['at the answer to DATA', `${greeting}C: MAIL\n S: 250 ok\n C: RCPT\n S: 250 ok\n C: DATA\n END`, 0],
    ['at the answer to the data', `${greeting}${taken.replace('S: 250 2.6.0 taken', 'END')}`, 1],
  ] as const)('one that is silent %s has asked for the data so many times', async (_, script, times) => {
    await using peer = await openPeer([script]);
    await using sender = createSender({ timeouts: { sendMs: 1000 } });
    let asked = 0;
    const onData = (): void => void asked++;
    expect(await sender.send(pinned(peer.port), mail({ onData }))).toMatchObject({ reason: 'timeout' });
    expect(asked).toBe(times);
  });

  test('the caller’s signal ends what waits for a connection, and nothing was asked of the peer', async () => {
    await using peer = await openPeer([`${greeting}C: MAIL\n END`]);
    await using sender = createSender({ maxConnectionsPerPeer: 1 });
    const [first, second] = [new AbortController(), new AbortController()];
    const sending = sender.send(pinned(peer.port), mail({ signal: first.signal }));
    const waiting = sender.send(pinned(peer.port), mail({ signal: second.signal }));
    second.abort();
    expect(await waiting).toEqual(deferred('crowded'));
    first.abort();
    expect(await sending).toEqual(deferred('aborted'));
    expect(peer.connections).toBeLessThanOrEqual(1);
  });

  test('a signal that was over before: nothing is opened', async () => {
    await using peer = await openPeer([]);
    await using sender = createSender();
    expect(await sender.send(pinned(peer.port), mail({ signal: AbortSignal.abort() }))).toEqual(
      deferred('aborted'),
    );
    expect(peer.connections).toBe(0);
  });
});

describe('connections', () => {
  test('are used again', async () => {
    await using peer = await openPeer([greeting + taken.repeat(12)]);
    await using sender = createSender();
    for (let n = 0; n < 12; n += 1) expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
    expect(await peer.outcomes()).toEqual([undefined]);
    expect(peer.connections).toBe(1);
  });

  test('are at most so many to a peer, and everything gets through', async () => {
    let open = 0;
    let most = 0;
    const three = Promise.withResolvers<void>();
    await using inbox = await openInbox({
      onMessage: async () => {
        open += 1;
        most = Math.max(most, open);
        if (open === 3) three.resolve();
        await three.promise;
        open -= 1;
        return { kind: 'accepted' };
      },
    });
    await using sender = createSender({ maxConnectionsPerPeer: 3 });
    const results = await Promise.all(
      Array.from({ length: 60 }, () => sender.send(pinned(inbox.port), mail())),
    );
    expect(new Set(results.map(({ kind }) => kind))).toEqual(new Set(['sent']));
    expect(inbox.messages).toHaveLength(60);
    expect(most).toBe(3);
  });

  test('that the peer closed while idle cost nothing', async () => {
    const impatient = `${greeting}${taken}\n S: 421 4.4.2 too slow\n END`;
    await using peer = await openPeer([impatient, impatient, greeting + taken]);
    await using sender = createSender();
    for (let n = 1; n <= 3; n += 1) {
      expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
      await peer.outcomes(); // the connection is gone
      expect(peer.connections).toBe(n);
    }
  });

  test('that break at the first word of a second message are replaced, and the message sent once', async () => {
    await using peer = await openPeer([`${greeting}${taken}C: MAIL\n CUT`, greeting + taken]);
    await using sender = createSender();
    expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
    expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
    expect(peer.connections).toBe(2);
  });

  test('that break behind the final dot of a second message are not', async () => {
    const second = taken.replace('S: 250 2.6.0 taken', 'CUT');
    await using peer = await openPeer([greeting + taken + second, greeting + taken]);
    await using sender = createSender();
    expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
    expect(await sender.send(pinned(peer.port), mail())).toEqual(deferred('lost', true));
    expect(peer.connections).toBe(1);
  });

  test('say QUIT after a while of idleness', async () => {
    await using peer = await openPeer([`${greeting}${taken}C: QUIT\n S: 221 bye\n END`]);
    await using sender = createSender({ idleMs: 20 });
    expect(await sender.send(pinned(peer.port), mail())).toEqual(sent);
    expect(await peer.outcomes()).toEqual([undefined]);
  });

  test('are not shared between pins', async () => {
    await using inbox = await openInbox();
    await using sender = createSender();
    expect(await sender.send(pinned(inbox.port), mail())).toEqual(sent);
    const other = { ...pinned(inbox.port), tlsPin: '00'.repeat(32) };
    expect(await sender.send(other, mail())).toEqual({ kind: 'untrusted' });
  });
});

test('close gives back what waits, and lets what is on its way end', async () => {
  const asked = Promise.withResolvers<void>();
  const decided = Promise.withResolvers<{ kind: 'accepted' }>();
  await using inbox = await openInbox({
    onMessage: () => {
      asked.resolve();
      return decided.promise;
    },
  });
  const sender = createSender({ maxConnectionsPerPeer: 1 });
  const first = sender.send(pinned(inbox.port), mail());
  const second = sender.send(pinned(inbox.port), mail());
  await asked.promise;
  const closed = sender.close();
  expect(await second).toEqual(deferred('closed'));
  decided.resolve({ kind: 'accepted' });
  expect(await first).toEqual(sent);
  await closed;
  expect(await sender.send(pinned(inbox.port), mail())).toEqual(deferred('closed'));
});

describe('what is never sent', () => {
  test.each([
    ['no mailbox', { to: 'secure' }, '5.1.3'],
    ['two mailboxes', { to: 'a@b.test,c@d.test' }, '5.1.3'],
    ['a command in a mailbox', { from: 'a@b.test>\r\nRCPT TO:<c@d.test' }, '5.1.3'],
  ])('%s', async (_, more, enhanced) => {
    await using sender = createSender();
    expect(await sender.send(pinned(1), mail(more))).toEqual(refused(553, enhanced));
  });

  test.each([
    '',
    'x',
    'x\n',
    'x\r',
    '\nx\r\n',
    '\rx\r\n',
    'x\r\r\n',
    'x\0\r\n',
    `${'x'.repeat(999)}\r\n`,
    'x\r\ny',
  ])('a message that others would change or refuse: %j', async (message) => {
    await using sender = createSender();
    expect(await sender.send(pinned(1), mail({ message: Buffer.from(message) }))).toEqual(
      refused(554, '5.6.0'),
    );
  });

  test('more than the peer’s SIZE', async () => {
    await using inbox = await openInbox({ maxBytes: 100 });
    await using sender = createSender();
    const message = Buffer.from('x'.repeat(99).concat('\r\n'));
    expect(await sender.send(pinned(inbox.port), mail({ message }))).toEqual(refused(552, '5.3.4'));
  });
});

test('the null sender', async () => {
  await using peer = await openPeer([greeting + taken.replace('<secure@a.test>', '<>')]);
  await using sender = createSender();
  expect(await sender.send(pinned(peer.port), mail({ from: '' }))).toEqual(sent);
});

test('an EHLO name that is none', () => {
  expect(() => createSmtpSender({ ehloName: 'my host' })).toThrow(
    expect.objectContaining({ code: 'bad-options' }),
  );
});

test('a pin of what is no certificate', () => {
  expect(() => spkiPin('')).toThrow(expect.objectContaining({ code: 'bad-certificate' }));
});

function deferred(reason: string, maybeDelivered = false): SendResult {
  return { kind: 'deferred', reason, maybeDelivered } as SendResult;
}

function refused(code: number, enhanced: string): SendResult {
  return { kind: 'refused', code, enhanced };
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setImmediate(resolve));
}
