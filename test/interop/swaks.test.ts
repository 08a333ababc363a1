import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createGatekeeper, makeCarriage, type SmtpServer, startSmtpServer } from '@postern/mail';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createIdentity, openFolder } from './debian.ts';
import { haveSwaks, type SwaksOptions, swaks } from './swaks.ts';

describe.skipIf(!haveSwaks)('swaks, as an author’s program', () => {
  const stack = new AsyncDisposableStack();
  const taken: Buffer[] = [];
  const servers: Partial<Record<'starttls' | 'implicit', SmtpServer>> = {};
  let ca: string;
  let wrongCa: string;
  const password = 'Zwölf Boxkämpfer \\n %DATE%';

  beforeAll(async () => {
    const tls = createIdentity('gateway.a.test');
    const folder = await openFolder('ca');
    stack.defer(() => rm(folder, { recursive: true }));
    [ca, wrongCa] = [join(folder, 'ca'), join(folder, 'wrong')];
    await writeFile(ca, tls.cert);
    await writeFile(wrongCa, createIdentity('gateway.a.test').cert);
    for (const how of ['starttls', 'implicit'] as const)
      servers[how] = stack.use(
        await startSmtpServer({
          listen: { host: '127.0.0.1', port: 0 },
          hostname: 'gateway.a.test',
          tls,
          implicitTls: how === 'implicit',
          minTls: 'TLSv1.2',
          maxBytes: 100_000,
          auth: createGatekeeper({
            authenticate: async (login) =>
              login.user === 'alice@a.test' && login.password === password
                ? { kind: 'author', mailbox: 'alice@a.test' }
                : { kind: 'refused' },
          }),
          accepts: (mailbox) => mailbox === 'secure@b.test',
          onMessage: async ({ bytes }) => {
            taken.push(Buffer.from(bytes));
            return { kind: 'accepted' };
          },
        }),
      );
  });
  afterAll(() => stack.disposeAsync());

  function submit(tls: 'starttls' | 'implicit', options: Partial<SwaksOptions> = {}) {
    const { host = '', port = 0 } = servers[tls]?.address ?? {};
    return swaks({
      server: { host, port },
      tls,
      ca,
      login: { user: 'alice@a.test', password },
      from: 'alice@a.test',
      to: 'secure@b.test',
      message: 'x\r\n',
      ...options,
    });
  }

  test.each([
    ['starttls', 'PLAIN'],
    ['starttls', 'LOGIN'],
    ['implicit', 'PLAIN'],
    ['implicit', 'LOGIN'],
  ] as const)('submits what it is given, octet for octet: %s, AUTH %s', async (tls, mechanism) => {
    const message = Buffer.concat([
      Buffer.from('Subject: x\r\n\r\n.\r\n..\r\n\r\n.x\r\nFrom me\r\n%DATE% %BODY% \\n\r\n', 'latin1'),
      Buffer.from(`${'\xe4'.repeat(998)}\r\n\r\n`, 'latin1'),
    ]);
    const { code, transcript } = await submit(tls, {
      message,
      login: { user: 'alice@a.test', password, mechanism },
    });
    expect([code, /TLS started/.test(transcript)]).toEqual([0, true]);
    expect(taken.splice(0)).toEqual([message]);
    for (const secret of [password, `\0alice@a.test\0${password}`])
      for (const form of [secret, Buffer.from(secret).toString('base64')])
        expect(transcript).not.toContain(form);
  });

  test('submits a carriage', async () => {
    const domains = { fromDomain: 'a.test', toDomain: 'b.test' };
    const bytes = randomBytes(32_768);
    const message = makeCarriage({ ...domains, bytes, now: new Date(), random: randomBytes });
    expect((await submit('implicit', { message })).code).toBe(0);
    expect(taken.splice(0)).toEqual([Buffer.from(message)]);
  });

  test('says what went wrong', async () => {
    const codes = await Promise.all([
      submit('starttls', { ca: wrongCa }),
      submit('implicit', { ca: wrongCa }),
      submit('starttls', { login: { user: 'alice@a.test', password: 'wrong' } }),
      submit('starttls', { from: 'carol@a.test' }),
      submit('starttls', { to: 'bob@b.test' }),
    ]);
    expect(codes.map(({ code }) => code)).toEqual([29, 29, 28, 23, 24]);
    expect(taken).toEqual([]);
  });
});
