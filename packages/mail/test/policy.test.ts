import { createHash } from 'node:crypto';
import type { TlsOptions } from 'node:tls';
import {
  type OutgoingMessage,
  type SendResult,
  type SmtpPeer,
  spkiPin,
  type Tlsa,
  type TlsPolicy,
} from '@postern/mail';
import { describe, expect, test } from 'vitest';
import { createAuthority, createIdentity, type Identity, issue, selected } from './certificate.ts';
import { createSender, mail, sent } from './handing-on.ts';
import { identity, openInbox } from './inbox.ts';
import { greeting, openPeer, taken } from './peer.ts';
import { base64, openDesk } from './submission.ts';
import { openTap } from './tap.ts';

const root = await createAuthority('root');
const middle = await createAuthority('middle', root);
const stranger = await createAuthority('stranger');
const good = await issue(middle, { names: ['mx.b.test'] }, [middle, root]);

const web: TlsPolicy = { kind: 'web', names: ['mx.b.test'], ca: [root.cert] };
const untrusted: SendResult = { kind: 'untrusted' };
const onlyHellos = ['EHLO sender.test', 'STARTTLS', 'EHLO sender.test'];

function at(port: number, tls: TlsPolicy): SmtpPeer {
  return { host: '127.0.0.1', port, tls };
}

/** Sends one message to a peer with this certificate: what came of it, and what the peer heard. */
async function attempt(
  policy: TlsPolicy,
  tls: TlsOptions,
  connections = 1,
): Promise<{ result: SendResult; heard: string[] | undefined }> {
  await using peer = await openPeer(Array(connections).fill(greeting + taken), { tls });
  await using sender = createSender();
  const result = await sender.send(at(peer.port, policy), mail());
  await sender.close();
  return { result, heard: peer.heard.at(-1) };
}

async function expectUntrusted(policy: TlsPolicy, tls: TlsOptions, connections = 1): Promise<void> {
  const { result, heard } = await attempt(policy, tls, connections);
  expect(result).toEqual(untrusted);
  expect(heard).toEqual(onlyHellos);
}

function tlsa(usage: number, selector: number, matching: number, cert: string): Tlsa {
  const octets = selected(cert, selector);
  const digest = { 1: 'sha256', 2: 'sha512' }[matching];
  const data = digest === undefined ? octets : createHash(digest).update(octets).digest();
  return { usage, selector, matching, data };
}

function dane(...records: Tlsa[]): TlsPolicy {
  return { kind: 'dane', records, names: ['mx.b.test', 'b.test'] };
}

const selectorsAndMatchings = [0, 1].flatMap((selector) =>
  [0, 1, 2].map((matching) => ({ selector, matching })),
);

describe('web', () => {
  test.each([
    ['its name', ['mx.b.test']],
    ['its name among others', ['b.test', 'MX.B.Test']],
    ['a wildcard', ['*.b.test']],
  ])('a certificate for %s', async (_, names) => {
    const tls = await issue(middle, { names }, [middle]);
    expect((await attempt(web, tls)).result).toEqual(sent);
  });

  test('any of the names will do', async () => {
    expect((await attempt({ ...web, names: ['b.test', 'mx.b.test'] }, good)).result).toEqual(sent);
  });

  const wrong: [string, () => Promise<Identity>][] = [
    ['another name', () => issue(root, { names: ['mx.c.test'] })],
    ['a name below', () => issue(root, { names: ['a.mx.b.test'] })],
    ['a wildcard over two labels', () => issue(root, { names: ['*.test'] })],
    ['a wildcard in a label', () => issue(root, { names: ['m*.b.test'] })],
    ['the name in the subject alone', () => issue(root, { commonName: 'mx.b.test' })],
    ['a day in the past', () => issue(root, { names: ['mx.b.test'], lifetime: 'expired' })],
    ['a day in the future', () => issue(root, { names: ['mx.b.test'], lifetime: 'future' })],
    ['clients', () => issue(root, { names: ['mx.b.test'], usage: '1.3.6.1.5.5.7.3.2' })],
    ['nobody but itself', () => createIdentity('mx.b.test')],
    ['an authority that nobody knows', () => issue(stranger, { names: ['mx.b.test'] }, [stranger])],
    ['an authority that it does not show', () => issue(middle, { names: ['mx.b.test'] })],
  ];
  test.each(wrong)('a certificate of %s: nothing but EHLO was sent', async (_, make) => {
    await expectUntrusted(web, await make());
  });

  test('without ca the authorities are those that everybody trusts', async () => {
    await expectUntrusted({ kind: 'web', names: ['mx.b.test'] }, good);
  });
});

describe('dane, usage 3', () => {
  const odd = issue(stranger, { names: ['mx.c.test'], lifetime: 'expired' });

  test.each(selectorsAndMatchings)(
    'selector $selector, matching $matching: its certificate, of whatever name, day and authority; and no other',
    async ({ selector, matching }) => {
      const record = tlsa(3, selector, matching, (await odd).cert);
      expect((await attempt(dane(record), await odd)).result).toEqual(sent);
      await expectUntrusted(dane(record), good);
    },
  );

  test('one of several records is enough', async () => {
    const records = [tlsa(3, 1, 1, root.cert), tlsa(3, 1, 1, good.cert)];
    expect((await attempt(dane(...records), good)).result).toEqual(sent);
  });

  test.each([
    ['usage 1', { ...tlsa(1, 1, 1, good.cert) }],
    ['usage 255', { ...tlsa(255, 1, 1, good.cert) }],
    ['selector 2', { ...tlsa(3, 1, 1, good.cert), selector: 2 }],
    ['matching 3', { ...tlsa(3, 1, 1, good.cert), matching: 3 }],
    ['half a digest', { ...tlsa(3, 1, 1, good.cert), data: tlsa(3, 1, 1, good.cert).data.subarray(0, 16) }],
    ['nothing', { ...tlsa(3, 1, 0, good.cert), data: new Uint8Array() }],
    ['an authority of its chain', tlsa(3, 1, 1, root.cert)],
  ])('a record of %s says nothing for it', async (_, record) => {
    await expectUntrusted(dane(record), good);
  });

  test('no record at all', async () => {
    await expectUntrusted(dane(), good);
  });
});

describe('dane, usage 2', () => {
  test.each(selectorsAndMatchings)(
    'selector $selector, matching $matching: a certificate below an authority of the chain',
    async ({ selector, matching }) => {
      for (const anchor of [root, middle]) {
        const record = tlsa(2, selector, matching, anchor.cert);
        expect((await attempt(dane(record), good, 2)).result).toEqual(sent);
      }
      await expectUntrusted(dane(tlsa(2, selector, matching, stranger.cert)), good);
    },
  );

  test('for the domain that the mail is for', async () => {
    const tls = await issue(root, { names: ['b.test'] }, [root]);
    expect((await attempt(dane(tlsa(2, 0, 1, root.cert)), tls, 2)).result).toEqual(sent);
  });

  test('usage 0 says nothing for it', async () => {
    await expectUntrusted(dane(tlsa(0, 0, 1, root.cert)), good);
  });

  test('nor does the record of a server’s own certificate', async () => {
    await expectUntrusted(dane(tlsa(2, 0, 1, good.cert)), good);
  });

  test('nor an authority that the peer does not show', async () => {
    const tls = await issue(middle, { names: ['mx.b.test'] }, [middle]);
    await expectUntrusted(dane(tlsa(2, 0, 1, root.cert)), tls);
  });

  const below: [string, () => Promise<Identity>][] = [
    ['another name', () => issue(root, { names: ['mx.c.test'] }, [root])],
    ['the name in the subject alone', () => issue(root, { commonName: 'mx.b.test' }, [root])],
    ['a day in the past', () => issue(root, { names: ['mx.b.test'], lifetime: 'expired' }, [root])],
    [
      'an authority that is none',
      async () => {
        const none = await createAuthority('none', root, { ca: false });
        return issue(none, { names: ['mx.b.test'] }, [none, root]);
      },
    ],
    [
      'an authority below one that may have none below it',
      async () => {
        const last = await createAuthority('last', root, { pathLength: 0 });
        const over = await createAuthority('over', last);
        return issue(over, { names: ['mx.b.test'] }, [over, last, root]);
      },
    ],
  ];
  test.each(below)('a certificate of %s: nothing but EHLO was sent', async (_, make) => {
    await expectUntrusted(dane(tlsa(2, 0, 1, root.cert)), await make(), 2);
  });

  test('an authority that is shown and has signed nothing of it', async () => {
    const tls = await issue(stranger, { names: ['mx.b.test'] }, [stranger, root]);
    await expectUntrusted(dane(tlsa(2, 0, 1, root.cert)), tls, 2);
  });

  test('an authority of the same name and another key', async () => {
    const namesake = await createAuthority('root');
    const tls = await issue(namesake, { names: ['mx.b.test'] }, [root]);
    await expectUntrusted(dane(tlsa(2, 0, 1, root.cert)), tls, 2);
  });

  test('shows another certificate at the second handshake', async () => {
    const record = dane(tlsa(2, 0, 1, root.cert));
    const other = await issue(stranger, { names: ['mx.b.test'] }, [root]);
    await using peer = await openPeer([greeting, greeting + taken], {
      tls: good,
      tlsNext: other,
    });
    await using sender = createSender();
    expect(await sender.send(at(peer.port, record), mail())).toEqual(untrusted);
    expect(peer.heard).toEqual([onlyHellos, onlyHellos]);
  });
});

describe('every policy that trusts not everybody', () => {
  const policies: [string, TlsPolicy][] = [
    ['pin', { kind: 'pin', pins: ['00'.repeat(32), spkiPin(good.cert)] }],
    ['dane', dane(tlsa(3, 1, 1, good.cert))],
    ['web', web],
  ];

  test.each(policies)('%s: the right peer', async (_, policy) => {
    expect((await attempt(policy, good)).result).toEqual(sent);
  });

  test.each(policies)('%s: STARTTLS taken out: no TLS, and nothing in clear', async (_, policy) => {
    await using peer = await openPeer([
      'S: 220 x\n C: EHLO\n S: 250 mx.test\n C: STARTTLS\n S: 502 no\n END',
    ]);
    await using sender = createSender();
    expect(await sender.send(at(peer.port, policy), mail())).toEqual({ kind: 'no-tls' });
    expect(peer.heard).toEqual([['EHLO sender.test', 'STARTTLS']]);
  });

  test.each(policies)('%s: TLS 1.2 between others than nodes alone', async (name, policy) => {
    const { result } = await attempt(policy, { ...good, maxVersion: 'TLSv1.2' });
    expect(result).toEqual(name === 'pin' ? { kind: 'no-tls' } : sent);
  });

  test.each(policies)('%s: TLS 1.1, or a cipher without forward secrecy', async (_, policy) => {
    const old: TlsOptions = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    expect((await attempt(policy, { ...good, ...old })).result).toEqual({ kind: 'no-tls' });
    const rsa = await createIdentity('mx.b.test', 'RSA');
    const weak: TlsOptions = { ...rsa, maxVersion: 'TLSv1.2', ciphers: 'AES128-GCM-SHA256' };
    expect((await attempt(policy, weak)).result).toEqual({ kind: 'no-tls' });
  });

  test.each(policies)('%s: whoever listens reads no mailbox, no login and no message', async (_, policy) => {
    await using desk = await openDesk({}, { tls: good });
    await using tap = await openTap(desk.port);
    await using sender = createSender();
    const auth = { user: 'alice', pass: 'wonder land' };
    const message = Buffer.from('Subject: tea\r\n\r\nat six\r\n');
    const outgoing = mail({ from: 'alice@a.test', to: 'secure@b.test', message });
    expect(await sender.send({ ...at(tap.port, policy), auth }, outgoing)).toEqual(sent);
    expect(desk.messages.map(({ author }) => author)).toEqual(['Alice@a.test']);
    const wire = tap.recorded().toString('latin1');
    const clear = wire.slice(0, wire.indexOf('\x16\x03'));
    expect(clear.split('\r\n').filter((line) => !line.startsWith('250-'))).toEqual([
      '220 mx.test ESMTP',
      'EHLO sender.test',
      '250 SIZE 100000',
      'STARTTLS',
      expect.stringMatching(/^220 /),
      '',
    ]);
    const secrets = ['alice', 'a.test', 'secure@', 'wonder', 'tea', 'at six', base64('\0alice\0wonder land')];
    expect(secrets.filter((secret) => wire.includes(secret))).toEqual([]);
  });
});

describe('opportunistic', () => {
  const any: TlsPolicy = { kind: 'opportunistic' };
  const inOneWrite = 'S: 220 mx.test ESMTP\n C: EHLO sender.test\n S: 250 mx.test';

  test('TLS with whoever answers', async () => {
    const { result, heard } = await attempt(any, await createIdentity('somebody'));
    expect(result).toEqual(sent);
    expect(heard?.slice(0, 3)).toEqual(onlyHellos);
  });

  test.each([
    ['a peer that offers no TLS', [inOneWrite + taken]],
    [
      'a peer that offers TLS and refuses it',
      [`S: 220 x\n C: EHLO\n S: 250-x\\r\\n250 STARTTLS\n C: STARTTLS\n S: 454 no\n${taken}`],
    ],
  ])('%s: in clear', async (_, scripts) => {
    await using peer = await openPeer(scripts);
    await using sender = createSender();
    expect(await sender.send(at(peer.port, any), mail())).toEqual({ kind: 'sent', secured: false });
  });

  test('a peer whose TLS is good for nothing: in clear, over another connection', async () => {
    await using peer = await openPeer([greeting, inOneWrite + taken], {
      tls: { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' },
    });
    await using sender = createSender();
    expect(await sender.send(at(peer.port, any), mail())).toEqual({ kind: 'sent', secured: false });
    expect(peer.connections).toBe(2);
  });
});

describe('what goes with MAIL', () => {
  const mailOf = async (offers: string, more: Partial<OutgoingMessage>): Promise<string | undefined> => {
    await using peer = await openPeer([greeting.replace('250 REQUIRETLS', offers) + taken]);
    await using sender = createSender();
    const pinned = at(peer.port, { kind: 'pin', pins: [spkiPin(identity.cert)] });
    expect(await sender.send(pinned, mail(more))).toEqual(sent);
    return peer.heard[0]?.find((line) => line.startsWith('MAIL'));
  };

  test('an ENVID, for a peer that takes it', async () => {
    expect(await mailOf('250 DSN', { envid: 'id + 1=x' })).toBe(
      'MAIL FROM:<secure@a.test> RET=HDRS ENVID=id+20+2B+201+3Dx',
    );
    expect(await mailOf('250 HELP', { envid: 'id' })).toBe('MAIL FROM:<secure@a.test>');
    expect(await mailOf('250 DSN', {})).toBe('MAIL FROM:<secure@a.test>');
  });

  test('REQUIRETLS, for a peer that offers it', async () => {
    expect(await mailOf('250 REQUIRETLS', { requireTls: 'if-offered' })).toBe(
      'MAIL FROM:<secure@a.test> REQUIRETLS',
    );
    expect(await mailOf('250 HELP', { requireTls: 'if-offered' })).toBe('MAIL FROM:<secure@a.test>');
  });

  test.each(['', 'x'.repeat(101), 'a\r\nRCPT TO:<b@c.test>', 'ä'])('no ENVID: %j', async (envid) => {
    await using sender = createSender();
    await expect(sender.send(at(1, web), mail({ envid }))).rejects.toMatchObject({ code: 'bad-options' });
  });
});

describe('connections', () => {
  test('are shared by equal policies, and by no others', async () => {
    await using inbox = await openInbox({ tls: good });
    await using sender = createSender();
    await using tap = await openTap(inbox.port);
    const record = tlsa(3, 1, 1, good.cert);
    expect(await sender.send(at(tap.port, dane(record)), mail())).toEqual(sent);
    const octets = tap.recorded().length;
    const equal = dane({ ...record, data: new Uint8Array(record.data) });
    expect(await sender.send(at(tap.port, equal), mail())).toEqual(sent);
    expect(tap.recorded().subarray(octets).includes('EHLO')).toBe(false);
    expect(await sender.send(at(tap.port, dane(tlsa(3, 1, 1, root.cert))), mail())).toEqual(untrusted);
  });
});
