import { createServer, type Server, type Socket } from 'node:net';
import { createLmtpSender, createSmtpSender, type DeliveryResult, type SendResult } from '@postern/mail';
import { bytes, hold, latin1, type Target } from '../target.ts';

/*
 * A server that says whatever the input is: the pieces between two NULs, one at the beginning and one for each piece that the client sends; with the
 * last one it hangs up.
 */

const good = [
  '220 b.test ESMTP\r\n',
  '250-b.test\r\n250-SIZE 1000\r\n250-ENHANCEDSTATUSCODES\r\n250 PIPELINING\r\n',
  '250 2.1.0 ok\r\n',
  '250 2.1.5 ok\r\n',
  '354 go\r\n',
  '250 2.6.0 taken\r\n',
  '221 bye\r\n',
];

const timeouts = { connectMs: 100, sendMs: 100 };
/** Those, two seconds for RSET, one for QUIT, and some more. */
const mostMs = 4_000;

const smtp: Target = {
  name: 'smtp-client',
  seeds: () => [
    script(good),
    script(good.with(1, '250-b.test\r\n250 8BITMIME\r\n')),
    script(good.with(2, '550 5.1.1 no\r\n')),
  ],
  tokens: replies(),
  bounded: 8,
  mostMs,
  run: (input) => send(input, 'smtp'),
};

const lmtp: Target = {
  name: 'lmtp-client',
  seeds: () => [script(good), script(good.with(5, '452 4.2.2 full\r\n'))],
  tokens: replies(),
  bounded: 8,
  mostMs,
  run: (input) => send(input, 'lmtp'),
};

function script(lines: readonly string[]): Uint8Array {
  return bytes(lines.join('\0'));
}

function replies(): string[] {
  return [
    ...good,
    '\0',
    '\0\0',
    '\r\n',
    '250-',
    '250 ',
    '354 ',
    '421 4.3.2 down\r\n',
    '550 5.7.1 no\r\n',
    '250-STARTTLS\r\n',
    '250-SMTPUTF8\r\n',
    '250-DSN\r\n',
    '25',
    '-',
  ];
}

async function send(input: Uint8Array, kind: 'smtp' | 'lmtp'): Promise<void> {
  const played = await play(input);
  const { host, port } = played;
  const mail = { from: 'secure@a.test', to: 'secure@b.test', message };
  const judge = async ({ kind }: DeliveryResult | SendResult): Promise<void> => {
    if (kind === 'sent') hold(await played.tookAll(), 'nothing is sent that was not taken');
  };
  try {
    if (kind === 'smtp') {
      await using sender = createSmtpSender({ ehloName: 'a.test', timeouts, idleMs: 1 });
      await judge(await sender.send({ host, port, tls: { kind: 'opportunistic' } }, mail));
    } else {
      await using sender = createLmtpSender({
        target: { host, port },
        lhloName: 'a.test',
        timeouts,
        idleMs: 1,
      });
      await judge(await sender.deliver(mail));
    }
  } finally {
    await played.close();
  }
}

const message = bytes('A: b\r\n\r\n.dot\r\n');

interface Played {
  readonly host: string;
  readonly port: number;
  /**
   * Whether on some connection the whole message came, and its answer began with 2. Waits for that until none is open: who answers before it is
   * asked may hear the message later than its client has the answer.
   */
  tookAll(): Promise<boolean>;
  close(): Promise<void>;
}

async function play(input: Uint8Array): Promise<Played> {
  const pieces = latin1(input).split('\0');
  const sockets = new Set<Socket>();
  let took = false;
  let wake = (): void => undefined;
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    let heard = '';
    let said = '';
    let next = 0;
    const say = (): void => {
      const piece = pieces[next++] ?? '';
      said += piece;
      socket.write(piece, 'latin1');
      // The rest is silence, and would be waited for.
      if (next >= pieces.length) socket.end();
    };
    socket.on('data', (chunk: Buffer) => {
      heard += chunk.toString('latin1');
      say();
      took ||= heard.includes('\r\n.\r\n') && hasAnswered(said);
      if (took) wake();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      sockets.delete(socket);
      wake();
    });
    say();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server does not listen');
  return {
    host: '127.0.0.1',
    port: address.port,
    async tookAll() {
      while (!took && sockets.size > 0) await new Promise<void>((resolve) => (wake = resolve));
      return took;
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/**
 * Greeting, EHLO, MAIL, RCPT and DATA have their answers first, perhaps before they are asked. Whatever stands behind a line that is to be
 * continued ends that answer, an empty line too. A CR alone ends no line.
 */
function hasAnswered(said: string): boolean {
  const answers = said.replaceAll(/(?<![^\n])(\d+-[^\n]*)\n/g, '$1 ').split('\n');
  return answers
    .filter((answer) => answer.trim() !== '')
    .slice(5)
    .some((answer) => answer.startsWith('2'));
}

export const smtpClientTargets: readonly Target[] = [smtp, lmtp];
