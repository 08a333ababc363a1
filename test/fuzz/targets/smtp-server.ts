import { connect, type TLSSocket } from 'node:tls';
import { createGatekeeper, type Message, type SmtpServer, startSmtpServer } from '@postern/mail';
import { nameOf } from '../corpus.ts';
import { chance } from '../random.ts';
import { bytes, hold, latin1, type Target } from '../target.ts';
import { createIdentity } from './tls.ts';

const session =
  'EHLO a.test\r\nMAIL FROM:<secure@a.test> SIZE=20\r\nRCPT TO:<secure@b.test>\r\nDATA\r\nA: b\r\n\r\n..dot\r\n.\r\nQUIT\r\n';
const loginSession = session
  .replace('MAIL', 'AUTH PLAIN AGEAYg==\r\nMAIL')
  .replace('secure@a.test', 'a@a.test');

/** A server as it runs, and what it has taken in the session at hand. */
interface Desk {
  readonly server: SmtpServer;
  messages: Message[];
}

/** What a client says, from its first octet inside TLS to its last; how it is cut into writes follows from the bytes. */
const receiving: Target = {
  name: 'smtp-session',
  async seeds() {
    receiver ??= await startDesk(false);
    return [session, session.replaceAll('\r\n', '\n'), `${session}${session}`, 'QUIT\r\n'].map(bytes);
  },
  tokens: commands(),
  bounded: 25,
  run: (input) => converse(receiver, input),
  close: async () => receiver?.server.close(),
};

/** The same where clients have to log in. */
const submission: Target = {
  name: 'smtp-submission',
  async seeds() {
    submitter ??= await startDesk(true);
    return [loginSession, loginSession.replace('AUTH PLAIN AGEAYg==', 'AUTH LOGIN\r\nYQ==\r\nYg==')].map(
      bytes,
    );
  },
  tokens: [...commands(), 'AUTH PLAIN AGEAYg==\r\n', 'AUTH LOGIN\r\n', 'YQ==\r\n', 'Yg==\r\n', '*\r\n'],
  bounded: 15,
  run: (input) => converse(submitter, input),
  close: async () => submitter?.server.close(),
};

let receiver: Desk | undefined;
let submitter: Desk | undefined;

function commands(): string[] {
  const lines = session.split('\r\n').map((line) => `${line}\r\n`);
  const others = [
    'HELO x',
    'RSET',
    'NOOP',
    'STARTTLS',
    'BDAT 4 LAST',
    'MAIL FROM:<> BODY=8BITMIME',
    'XCLIENT A=1',
    'VRFY a',
  ];
  return [
    ...lines,
    ...others.map((line) => `${line}\r\n`),
    '\r\n.\r\n',
    '\n.\n',
    '\r.\r',
    '\n.\r\n',
    '\r\n.\n',
    '\0',
  ];
}

async function startDesk(login: boolean): Promise<Desk> {
  const auth = createGatekeeper({
    authenticate: async ({ user, password }) =>
      user === 'a' && password === 'b' ? { kind: 'author', mailbox: 'a@a.test' } : { kind: 'refused' },
    clock: { now: () => 0, wait: async () => {} },
  });
  const desk: { server?: SmtpServer; messages: Message[] } = { messages: [] };
  desk.server = await startSmtpServer({
    listen: { host: '127.0.0.1', port: 0 },
    hostname: 'b.test',
    tls: await createIdentity('b.test'),
    implicitTls: true,
    maxBytes: 4_096,
    accepts: (mailbox) => mailbox === 'secure@b.test' || mailbox === 'secure@c.test',
    onMessage: async (message) => {
      desk.messages.push(message);
      return { kind: 'accepted' };
    },
    onFault: (fault) => {
      throw fault;
    },
    limits: { greetingMs: 1, drainMs: 100 },
    ...(login ? { auth } : {}),
  });
  return desk as Desk;
}

async function converse(desk: Desk | undefined, input: Uint8Array): Promise<void> {
  if (desk === undefined) throw new Error('the server is not started');
  desk.messages = [];
  const replies = await talk(desk.server.address.port, input);
  const text = latin1(input);
  const ends = text.split('\r\n.\r\n').length - 1 + (text.match(/(?=\r\n\.\r\n\.\r\n)/g)?.length ?? 0);
  const taken = new Set(desk.messages.map((message) => message.bytes)).size;
  hold(taken <= ends, 'no more messages are taken than data ends');
  hold(
    (replies.match(/^250 2\.6\.0 /gm)?.length ?? 0) <= ends,
    'no more messages are acknowledged than data ends',
  );
  for (const { bytes: message, recipient } of desk.messages) {
    const data = latin1(message);
    hold(/^secure@[bc]\.test$/.test(recipient), 'mail is for whom the server takes mail');
    hold(!/\0|\r(?!\n)|(?<!\r)\n/.test(data) && (data === '' || data.endsWith('\r\n')), 'lines end in CRLF');
    hold(!/[^\r\n]{999}/.test(data) && message.length <= 4_096, 'lines and messages have their lengths');
  }
}

/** Says all of it, then that there is no more, and waits for the server to hang up. */
function talk(port: number, input: Uint8Array): Promise<string> {
  const random = chance(nameOf(input));
  return new Promise((resolve, reject) => {
    const replies: Buffer[] = [];
    const socket: TLSSocket = connect({ host: '127.0.0.1', port, rejectUnauthorized: false });
    socket.on('data', (chunk: Buffer) => {
      // The greeting: what comes before it is refused as a whole.
      if (replies.push(chunk) === 1) void write(socket, input, random.below);
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ECONNRESET' && error.code !== 'EPIPE') reject(error);
    });
    socket.on('close', () => resolve(Buffer.concat(replies).toString('latin1')));
  });
}

async function write(socket: TLSSocket, input: Uint8Array, below: (bound: number) => number): Promise<void> {
  for (let at = 0; at < input.length; ) {
    const end = below(3) === 0 ? at + 1 + below(8) : at + 1 + below(input.length);
    await new Promise((resolve) => socket.write(input.subarray(at, end), resolve));
    at = end;
  }
  socket.end();
}

export const smtpServerTargets: readonly Target[] = [receiving, submission];
