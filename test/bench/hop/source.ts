import { once } from 'node:events';
import { connect as connectPlain, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { nowMs } from './time.ts';

export interface Load {
  readonly port: number;
  readonly from: string;
  readonly to: string;
  /** As they go over the wire: dots stuffed, and the end of data behind each. */
  readonly messages: readonly Buffer[];
  readonly connections: number;
  /** Messages a second; as fast as they are taken without. */
  readonly rate?: number;
}

export interface Sent {
  /** When the last octet of each message had been written; with a rate, when the message was due. */
  readonly atMs: Float64Array;
  /** When the first message was begun. */
  readonly beganMs: number;
}

/** Hands all messages over, each connection one at a time: TLS, MAIL, RCPT and DATA in one piece, the message in another. */
export async function send({ port, from, to, messages, connections, rate }: Load): Promise<Sent> {
  const opened = await Promise.all(Array.from({ length: connections }, () => open(port)));
  const atMs = new Float64Array(messages.length);
  const beganMs = nowMs();
  let next = 0;
  const handOver = async (peer: Peer): Promise<void> => {
    for (let at = next++; at < messages.length; at = next++) {
      const dueMs = rate === undefined ? undefined : beganMs + (at * 1_000) / rate;
      if (dueMs !== undefined) await reach(dueMs);
      peer.socket.write(`MAIL FROM:<${from}>\r\nRCPT TO:<${to}>\r\nDATA\r\n`);
      for (const wanted of ['250', '250', '354']) await peer.expect(wanted);
      peer.socket.write(messages[at] as Buffer);
      // One that waits here for a connection waits for the relay.
      atMs[at] = dueMs ?? nowMs();
      await peer.expect('250');
    }
  };
  await Promise.all(opened.map(handOver));
  for (const { socket } of opened) socket.end('QUIT\r\n');
  return { atMs, beganMs };
}

interface Peer {
  readonly socket: Socket;
  /** Resolves with the next reply, and rejects when it has another code. */
  expect(code: string): Promise<void>;
}

async function open(port: number): Promise<Peer> {
  const plain = connectPlain({ port, host: '127.0.0.1', noDelay: true });
  const greeting = talk(plain);
  await greeting.expect('220');
  plain.write('EHLO source.test\r\n');
  await greeting.expect('250');
  plain.write('STARTTLS\r\n');
  await greeting.expect('220');
  plain.removeAllListeners('data');
  // Whom it talks to does not matter here, and both relays have certificates of their own making.
  const socket = connectTls({ socket: plain, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const peer = talk(socket);
  socket.write('EHLO source.test\r\n');
  await peer.expect('250');
  return peer;
}

function talk(socket: Socket): Peer {
  const replies: string[] = [];
  let text = '';
  let wake: (() => void) | undefined;
  let fault: Error | undefined;
  const fail = (error: Error): void => {
    fault ??= error;
    wake?.();
  };
  socket.on('data', (chunk: Buffer) => {
    text += chunk.toString('latin1');
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n')) {
      if (text[3] !== '-') replies.push(text.slice(0, at));
      text = text.slice(at + 1);
    }
    if (replies.length > 0) wake?.();
  });
  socket.on('error', fail);
  socket.on('close', () => fail(new Error('the relay hung up')));
  return {
    socket,
    async expect(code) {
      while (replies.length === 0) {
        if (fault !== undefined) throw fault;
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
      const reply = replies.shift() ?? '';
      if (!reply.startsWith(code)) throw new Error(`the relay said: ${reply}`);
    },
  };
}

/** Resolves at that time, or at once when it has passed. */
async function reach(atMs: number): Promise<void> {
  const ms = atMs - nowMs();
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
}
