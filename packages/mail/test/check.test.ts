import { checkLogin, openTls, spkiPin } from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { createAuthority, issue } from './certificate.ts';
import { identity } from './inbox.ts';
import { greeting, openPeer } from './peer.ts';
import { openDesk, right } from './submission.ts';

const root = await createAuthority('root');
const good = await issue(root, { names: ['mx.a.test'] });
const auth = { user: 'alice', pass: 'wonder land' };
const options = { ehloName: 'sender.test', timeoutMs: 5_000 };
const pinned = (port: number) => ({ host: '127.0.0.1', port, tlsPin: spkiPin(identity.cert), auth });

describe('a login is checked', () => {
  test('over STARTTLS and over implicit TLS, and nothing is sent', async () => {
    for (const implicitTls of [false, true]) {
      await using desk = await openDesk({}, { tls: good, implicitTls });
      const tls = { kind: 'web' as const, names: ['mx.a.test'], ca: [root.cert] };
      const peer = { host: '127.0.0.1', port: desk.port, tls, implicitTls };
      expect(await checkLogin({ ...peer, auth }, options)).toBe('right');
      expect(await checkLogin({ ...peer, auth: { ...auth, pass: 'rabbit hole' } }, options)).toBe('wrong');
      expect(await checkLogin({ ...peer, auth: { ...auth, user: 'later' } }, options)).toBe('unavailable');
      expect(desk.messages).toEqual([]);
    }
  });

  test('by nobody but the server: another key gets no login', async () => {
    await using desk = await openDesk({}, { tls: good });
    expect(await checkLogin(pinned(desk.port), options)).toBe('unavailable');
    expect(desk.logins).toEqual([]);
  });

  const offers = (mechanisms: string): string =>
    greeting.replace('250-mx.test\\r\\n250 REQUIRETLS', `250-mx.test\\r\\n250 ${mechanisms}`);
  test.each([
    ['a server that takes no login', `${offers('HELP')}\n C: QUIT\n S: 221 bye\n END`, 'unavailable'],
    ['one that goes', `${offers('AUTH PLAIN')}\n C: AUTH PLAIN ${right}\n CUT`, 'unavailable'],
    ['one that refuses', `${offers('AUTH PLAIN')}\n C: AUTH PLAIN\n S: 535 no\n C: QUIT\n CUT`, 'wrong'],
  ])('%s', async (_, script, outcome) => {
    await using peer = await openPeer([script]);
    expect(await checkLogin(pinned(peer.port), options)).toBe(outcome);
    expect(await peer.outcomes()).toEqual([undefined]);
  });

  test('until a deadline', async () => {
    await using peer = await openPeer([`${offers('AUTH PLAIN')}\n C: AUTH PLAIN\n TRICKLE`]);
    expect(await checkLogin(pinned(peer.port), { ...options, timeoutMs: 300 })).toBe('unavailable');
  });
});

describe('TLS for another protocol', () => {
  test('is open to who the policy names, and to nobody else', async () => {
    await using desk = await openDesk({}, { tls: good, implicitTls: true });
    const at = { host: '127.0.0.1', port: desk.port };
    const web = (name: string) => ({ kind: 'web' as const, names: [name], ca: [root.cert] });
    const pin = (cert: string) => ({ kind: 'pin' as const, pins: [spkiPin(cert)] });
    for (const [tls, kind] of [
      [web('mx.a.test'), 'open'],
      [web('mx.b.test'), 'untrusted'],
      [{ kind: 'web' as const, names: ['mx.a.test'] }, 'untrusted'],
      [pin(good.cert), 'open'],
      [pin(identity.cert), 'untrusted'],
    ] as const) {
      const opened = await openTls({ ...at, tls }, 5_000);
      expect(opened.kind).toBe(kind);
      if (opened.kind === 'open') opened.socket.destroy();
    }
  });

  test('is not open where no TLS answers, or nobody', async () => {
    await using desk = await openDesk();
    const tls = { kind: 'web' as const, names: ['mx.a.test'] };
    expect(await openTls({ host: '127.0.0.1', port: desk.port, tls }, 5_000)).toEqual({
      kind: 'unreachable',
    });
    await using silent = await openPeer(['END']);
    expect(await openTls({ host: '127.0.0.1', port: silent.port, tls }, 100)).toEqual({
      kind: 'unreachable',
    });
  });
});
