import type { OutgoingMessage, SendResult, SmtpPeer } from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { createAuthority, issue } from './certificate.ts';
import { createSender, pinned, sent } from './handing-on.ts';
import { greeting, openPeer } from './peer.ts';
import { base64, openDesk, right } from './submission.ts';

const root = await createAuthority('root');
const good = await issue(root, { names: ['mx.a.test'] });
const auth = { user: 'alice', pass: 'wonder land' };

const mail: OutgoingMessage = {
  from: 'alice@a.test',
  to: 'secure@b.test',
  message: Buffer.from('hello\r\n'),
};

/** Their own gateway, by its key. */
function gateway(port: number): SmtpPeer {
  return { ...pinned(port), auth };
}

describe('an author hands over to their own gateway', () => {
  test.each([
    ['over STARTTLS', false],
    ['over implicit TLS', true],
  ])('%s, known by its certificate', async (_, implicitTls) => {
    await using desk = await openDesk({}, { tls: good, implicitTls });
    await using sender = createSender();
    const tls = { kind: 'web' as const, names: ['mx.a.test'], ca: [root.cert] };
    const peer = { host: '127.0.0.1', port: desk.port, tls, auth, implicitTls };
    expect(await sender.send(peer, mail)).toEqual(sent);
    expect(await sender.send(peer, mail)).toEqual(sent);
    expect(desk.messages.map(({ from, author }) => [from, author])).toEqual(
      Array(2).fill(['alice@a.test', 'Alice@a.test']),
    );
    expect(desk.logins).toHaveLength(1); // one connection
  });

  test('known by its key; another login has a connection of its own', async () => {
    await using desk = await openDesk();
    await using sender = createSender();
    expect(await sender.send(gateway(desk.port), mail)).toEqual(sent);
    const other = { ...gateway(desk.port), auth: { ...auth, pass: 'rabbit hole' } };
    expect(await sender.send(other, mail)).toEqual({ kind: 'no-login' });
  });

  test('of another key: it gets no login', async () => {
    await using desk = await openDesk({}, { tls: good });
    await using sender = createSender();
    expect(await sender.send(gateway(desk.port), mail)).toEqual({ kind: 'untrusted' });
    expect(desk.logins).toEqual([]);
  });

  test('that speaks no TLS where it should from the first octet', async () => {
    await using desk = await openDesk();
    await using sender = createSender();
    const peer = { ...gateway(desk.port), implicitTls: true };
    expect(await sender.send(peer, mail)).toEqual({ kind: 'no-tls' });
  });
});

describe('what the gateway says to a login', () => {
  const offers = (mechanisms: string): string =>
    greeting.replace('250-mx.test\\r\\n250 REQUIRETLS', `250-mx.test\\r\\n250 ${mechanisms}`);
  const done = 'S: 235 2.7.0 ok\n C: MAIL FROM:<alice@a.test>\n CUT';

  test.each<[string, string, SendResult]>([
    ['nothing of AUTH', `${offers('HELP')}\n END`, { kind: 'no-login' }],
    ['only other mechanisms', `${offers('AUTH CRAM-MD5 XOAUTH2')}\n END`, { kind: 'no-login' }],
    ['535', `${offers('AUTH PLAIN')}\n C: AUTH PLAIN ${right}\n S: 535 5.7.8 no\n END`, { kind: 'no-login' }],
    ['454', `${offers('AUTH LOGIN PLAIN')}\n C: AUTH PLAIN\n S: 454 later\n END`, deferred('busy')],
    ['421', `${offers('AUTH PLAIN')}\n C: AUTH PLAIN\n S: 421 going\n END`, deferred('busy')],
    ['noise', `${offers('AUTH PLAIN')}\n C: AUTH PLAIN\n S: ???\n END`, deferred('protocol')],
    ['nothing more', `${offers('AUTH PLAIN')}\n C: AUTH PLAIN\n CUT`, deferred('lost')],
    ['yes, and goes', `${offers('AUTH PLAIN')}\n C: AUTH PLAIN ${right}\n ${done}`, deferred('lost')],
    [
      'yes to LOGIN, and goes',
      `${offers('AUTH LOGIN')}\n C: AUTH LOGIN\n S: 334 VXNlcm5hbWU6\n C: ${base64('alice')}\n S: 334 UGFzc3dvcmQ6
       C: ${base64('wonder land')}\n ${done}`,
      deferred('lost'),
    ],
  ])('%s', async (_, script, result) => {
    await using peer = await openPeer([script]);
    await using sender = createSender();
    expect(await sender.send(gateway(peer.port), mail)).toEqual(result);
    await sender.close();
    expect(await peer.outcomes()).toEqual([undefined]);
  });

  test('nothing for ever: a deadline ends it', async () => {
    await using peer = await openPeer([`${offers('AUTH PLAIN')}\n C: AUTH PLAIN\n TRICKLE`]);
    await using sender = createSender({ timeouts: { connectMs: 300 } });
    expect(await sender.send(gateway(peer.port), mail)).toEqual(deferred('timeout'));
  });

  test('a login in clear is never asked for, nor one with a line end in it', async () => {
    await using sender = createSender();
    const peer = { host: '127.0.0.1', port: 1, tls: { kind: 'opportunistic' as const }, auth };
    await expect(sender.send(peer, mail)).rejects.toMatchObject({ code: 'bad-options' });
    const bad = { ...gateway(1), auth: { user: 'alice\r\nMAIL', pass: 'x' } };
    await expect(sender.send(bad, mail)).rejects.toMatchObject({
      code: 'bad-options',
      message: expect.not.stringContaining('alice'),
    });
  });
});

function deferred(reason: 'busy' | 'lost' | 'protocol' | 'timeout'): SendResult {
  return { kind: 'deferred', reason, maybeDelivered: false };
}
