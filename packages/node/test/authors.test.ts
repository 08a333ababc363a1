import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type Server } from 'node:tls';
import { type Authenticator, type Login, startSmtpServer } from '@postern/mail';
import { silentLog, systemRandom } from '@postern/runtime';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { AuthorsConfig } from '../src/submission-config.ts';
import type { Authors } from '../src/submit/authors/authors.ts';
import { openAuthors } from '../src/submit/authors/open.ts';
import { makeCertificate } from './peers.ts';

const tls = await makeCertificate('mail.a.test');
const other = await makeCertificate('mail.a.test');

let stack: AsyncDisposableStack;
beforeEach(() => {
  stack = new AsyncDisposableStack();
});
afterEach(() => stack.disposeAsync());

async function open(
  kind: 'imap' | 'smtp',
  port: number,
  { login = 'mailbox', spki = tls.pin }: { login?: 'mailbox' | 'local'; spki?: string } = {},
): Promise<Authors> {
  const server = { host: '127.0.0.1', port, tls: { kind: 'pin' as const, pins: [spki] } };
  const config: AuthorsConfig = { kind, server, login };
  const options = { domain: 'a.test', ehloName: 'gate.a.test', log: silentLog, random: systemRandom };
  const authors = await openAuthors(config, options);
  stack.defer(() => authors.close());
  return authors;
}

/** The domain's submission server, where alice’s password is `wonder land`. */
async function smtpServer(): Promise<{ port: number; logins: Login[] }> {
  const logins: Login[] = [];
  const auth: Authenticator = {
    async authenticate(login) {
      logins.push(login);
      if (login.password === 'later') return { kind: 'unavailable' };
      if (login.password !== 'wonder land') return { kind: 'refused' };
      return { kind: 'author', mailbox: 'alice@a.test' };
    },
  };
  const server = await startSmtpServer({
    listen: { host: '127.0.0.1', port: 0 },
    hostname: 'mail.a.test',
    tls,
    auth,
    maxBytes: 1_000,
    accepts: () => false,
    onMessage: () => Promise.reject(new Error('no message is sent')),
  });
  stack.use(server);
  return { port: server.address.port, logins };
}

test('authors are who may log in to the domain’s submission server', async () => {
  const { port, logins } = await smtpServer();
  const authors = await open('smtp', port);
  const author = { kind: 'author', mailbox: 'alice@a.test' };
  expect(await authors.judge({ user: 'Alice', password: 'wonder land' })).toEqual(author);
  expect(await authors.judge({ user: 'alice@A.test', password: 'wonder land' })).toEqual(author);
  expect(await authors.judge({ user: 'alice', password: 'x' })).toEqual({ kind: 'refused' });
  expect(await authors.judge({ user: 'alice', password: 'later' })).toEqual({ kind: 'unavailable' });
  expect(logins.map(({ user }) => user)).toEqual(Array<string>(4).fill('alice@a.test'));
  const byLocal = await open('smtp', port, { login: 'local' });
  expect(await byLocal.judge({ user: 'Alice@a.test', password: 'wonder land' })).toEqual(author);
  expect(logins.at(-1)?.user).toBe('alice');
});

test('what can be nobody’s login goes nowhere, and nothing goes to who is not the server', async () => {
  const { port, logins } = await smtpServer();
  const authors = await open('smtp', port);
  for (const user of ['alice@b.test', 'alice*root', 'secure', 'a/b', 'alice@a.test@a.test'])
    expect(await authors.judge({ user, password: 'wonder land' })).toEqual({ kind: 'refused' });
  const strange = await open('smtp', port, { spki: other.pin });
  expect(await strange.judge({ user: 'alice', password: 'wonder land' })).toEqual({ kind: 'unavailable' });
  expect(logins).toEqual([]);
});

/** An IMAP server that says what its script has for each line it hears, and nothing for other lines. */
async function imapServer(greeting: string, answers: readonly [RegExp, string][]): Promise<ImapServer> {
  const heard: string[] = [];
  const server: Server = createServer(tls, (socket) => {
    socket.on('error', () => undefined);
    socket.write(`${greeting}\r\n`);
    let rest = '';
    socket.on('data', (chunk: Buffer) => {
      const lines = `${rest}${chunk.toString('latin1')}`.split('\r\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        heard.push(line);
        const answer = answers.find(([expected]) => expected.test(line))?.[1];
        if (answer !== undefined) socket.write(`${answer.replaceAll('TAG', line.split(' ')[0] ?? '')}\r\n`);
      }
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  stack.defer(() => void server.close());
  return { port: (server.address() as AddressInfo).port, heard };
}

interface ImapServer {
  readonly port: number;
  readonly heard: string[];
}

const capability: [RegExp, string] = [
  / CAPABILITY$/,
  '* CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR\r\nTAG OK done',
];
const logout: [RegExp, string] = [/ LOGOUT$/, '* BYE\r\nTAG OK done'];

test.each([
  ['takes the login', '* OK hello', 'TAG OK yes', 'author'],
  ['refuses it', '* OK hello', 'TAG NO [AUTHENTICATIONFAILED] no', 'refused'],
  ['cannot say now', '* OK hello', 'TAG NO [UNAVAILABLE] later', 'unavailable'],
  ['does not understand it', '* OK hello', 'TAG BAD what', 'unavailable'],
  ['goes', '* OK hello', '* BYE gone', 'unavailable'],
  ['takes everybody for logged in', '* PREAUTH hello', 'TAG OK yes', 'unavailable'],
  ['is none', '220 mail.a.test ESMTP', 'TAG OK yes', 'unavailable'],
])('an IMAP server that %s', async (_, greeting, answer, kind) => {
  const { port } = await imapServer(greeting, [
    capability,
    [/ AUTHENTICATE PLAIN/, answer],
    logout,
    [/./, 'TAG OK'],
  ]);
  const authors = await open('imap', port);
  expect((await authors.judge({ user: 'alice', password: 'wonder land' })).kind).toBe(kind);
});

test('an IMAP server with another key hears nothing', async () => {
  const { port, heard } = await imapServer('* OK hello', [capability]);
  const authors = await open('imap', port, { spki: other.pin });
  expect(await authors.judge({ user: 'alice', password: 'wonder land' })).toEqual({ kind: 'unavailable' });
  expect(heard).toEqual([]);
});

test('a login under way ends with the authors', async () => {
  const { port } = await imapServer('* OK hello', []);
  const authors = await open('imap', port);
  const judged = authors.judge({ user: 'alice', password: 'wonder land' });
  await authors.close();
  expect(await judged).toEqual({ kind: 'unavailable' });
});
