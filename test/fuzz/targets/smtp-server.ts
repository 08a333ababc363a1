import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import {
  type Authenticator,
  createGatekeeper,
  type Message,
  type SmtpServer,
  type SmtpServerOptions,
  startSmtpServer,
} from '@postern/mail';
import { bytes, hold, latin1, type Target } from '../target.ts';
import { talk } from './smtp-talk.ts';
import { createIdentity } from './tls.ts';

const session =
  'EHLO a.test\r\nMAIL FROM:<secure@a.test> SIZE=20\r\nRCPT TO:<secure@b.test>\r\nDATA\r\nA: b\r\n\r\n..dot\r\n.\r\nQUIT\r\n';
const loginSession = session
  .replace('MAIL', 'AUTH PLAIN AGEAYg==\r\nMAIL')
  .replace('secure@a.test', 'a@a.test');

/** A server as it runs, and what it has taken in the session at hand. */
interface Desk {
  readonly server: SmtpServer;
  /** TLS from the first octet, so that what the client says is all inside. */
  readonly implicitTls: boolean;
  readonly messages: Message[];
}

/** What a client says, from its first octet to its last. */
function target(
  p: Pick<Target, 'name' | 'bounded'> & { sessions: readonly string[]; options: Partial<SmtpServerOptions> },
): Target {
  let desk: Desk | undefined;
  return {
    name: p.name,
    bounded: p.bounded ?? 15,
    tokens,
    async seeds() {
      desk ??= await openDesk(p.options);
      return p.sessions.map(bytes);
    },
    async run(input) {
      if (desk !== undefined) await converse(desk, input);
    },
    close: async () => desk?.server.close(),
  };
}

const lines = session.split('\r\n');
const others = [
  'HELO x',
  'RSET',
  'NOOP',
  'STARTTLS',
  'BDAT 4 LAST',
  'MAIL FROM:<> BODY=8BITMIME',
  'XCLIENT A=1',
];
const logins = ['AUTH PLAIN AGEAYg==', 'AUTH PLAIN', 'AUTH LOGIN', 'YQ==', 'Yg==', '*', 'VRFY a', 'QUIT'];
const tokens = [...lines, ...others, ...logins]
  .map((line) => `${line}\r\n`)
  .concat('\r\n.\r\n', '\n.\n', '\r.\r', '\n.\r\n', '\r\n.\n', '\0');

export const smtpServerTargets: readonly Target[] = [
  target({
    name: 'smtp-session',
    bounded: 20,
    sessions: [session, session.replaceAll('\r\n', '\n'), `${session}${session}`, 'QUIT\r\n'],
    options: {},
  }),
  /** Clients have to log in. */
  target({
    name: 'smtp-submission',
    sessions: [loginSession, loginSession.replace('AUTH PLAIN AGEAYg==', 'AUTH LOGIN\r\nYQ==\r\nYg==')],
    options: { auth: createGatekeeper(authenticator()) },
  }),
  /** The client is a mail server of one's own, which may write a return path in any way. */
  target({
    name: 'smtp-handed-on',
    sessions: [session, session.replace('<secure@a.test>', '<"\u00e9 x"@a> SMTPUTF8')],
    options: { handsOn: () => true, onUnreadable: () => ({ kind: 'accepted' }) },
  }),
  /** Nobody has spoken of TLS yet: nothing counts but that it begins. */
  target({
    name: 'smtp-in-clear',
    bounded: 20,
    sessions: [
      session,
      'EHLO a.test\r\nSTARTTLS\r\nMAIL FROM:<>\r\n',
      'STARTTLS\r\n\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00',
    ],
    options: { implicitTls: false },
  }),
];

function authenticator(): Authenticator {
  return {
    authenticate: async ({ user, password }) =>
      user === 'a' && password === 'b' ? { kind: 'author', mailbox: 'a@a.test' } : { kind: 'refused' },
    clock: { now: () => 0, wait: async () => {} },
  };
}

async function openDesk(options: Partial<SmtpServerOptions>): Promise<Desk> {
  const messages: Message[] = [];
  const server = await startSmtpServer({
    listen: { host: '127.0.0.1', port: 0 },
    hostname: 'b.test',
    tls: await createIdentity('b.test'),
    implicitTls: true,
    maxBytes: 4_096,
    accepts: (mailbox) => mailbox === 'secure@b.test' || mailbox === 'secure@c.test',
    onMessage: async (message) => {
      messages.push(message);
      return { kind: 'accepted' };
    },
    onFault: (fault) => {
      throw fault;
    },
    limits: { greetingMs: 1, drainMs: 100 },
    ...options,
  });
  return { server, implicitTls: options.implicitTls ?? true, messages };
}

async function converse({ server, implicitTls, messages }: Desk, input: Uint8Array): Promise<void> {
  messages.length = 0;
  const at = { host: '127.0.0.1', port: server.address.port };
  const socket = implicitTls ? connectTls({ ...at, rejectUnauthorized: false }) : connect(at);
  const replies = await talk(socket, input);
  if (!implicitTls)
    hold(messages.length === 0 && !/^(?:250 2\.1|354)/m.test(replies), 'nothing counts before TLS');
  const text = latin1(input);
  const ends = text.split('\r\n.\r\n').length - 1 + (text.match(/(?=\r\n\.\r\n\.\r\n)/g)?.length ?? 0);
  const taken = new Set(messages.map((message) => message.bytes)).size;
  hold(taken <= ends, 'no more messages are taken than data ends');
  hold(
    (replies.match(/^250 2\.6\.0 /gm)?.length ?? 0) <= ends,
    'no more messages are acknowledged than data ends',
  );
  // Without the dots that are taken off.
  const plain = text.replaceAll(/\r\n\.(?!\r\n)/g, '\r\n');
  for (const { bytes: message, recipient } of messages) {
    const data = latin1(message);
    hold(/^secure@[bc]\.test$/.test(recipient), 'mail is for whom the server takes mail');
    hold(!/\0|\r(?!\n)|(?<!\r)\n/.test(data) && (data === '' || data.endsWith('\r\n')), 'lines end in CRLF');
    hold(plain.includes(`\r\n${data}.\r\n`), 'a message is what stands between a line and the end of data');
    hold(!/[^\r\n]{999}/.test(data) && message.length <= 4_096, 'lines and messages have their lengths');
  }
}
