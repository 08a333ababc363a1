import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import type { Clock } from '../clock.ts';
import type { Endpoint } from '../config.ts';
import type { Random } from '../random.ts';
import { decodeMessage, encodeQuery, type Message, type Question } from './message.ts';

export interface ExchangeOptions {
  readonly server: Endpoint;
  readonly clock: Clock;
  readonly random: Random;
  /** Between one datagram and the next, milliseconds. */
  readonly resendMs: number;
}

export type Exchanged = Message | 'timeout' | 'unreachable' | 'malformed';

/**
 * Asks a server one question: over UDP, and again over TCP when the answer does not fit (RFC 7766). `deadline`: milliseconds of the
 * clock. Throws the signal's reason.
 */
export async function exchange(
  question: Question & { readonly checkingDisabled: boolean },
  options: ExchangeOptions,
  { deadline, signal }: { readonly deadline: number; readonly signal: AbortSignal | undefined },
): Promise<Exchanged> {
  signal?.throwIfAborted();
  const [high = 0, low = 0] = options.random.bytes(2);
  const query = encodeQuery({ ...question, id: (high << 8) | low });
  const first = await within(deadline, options.clock, signal, (stop) => overUdp(query, options, stop));
  return typeof first === 'string' || !first.truncated
    ? first
    : within(deadline, options.clock, signal, (stop) => overTcp(query, options.server, stop));
}

/** Ends `work` at the deadline and at the caller's signal, and leaves no timer behind. */
async function within(
  deadline: number,
  clock: Clock,
  signal: AbortSignal | undefined,
  work: (stop: AbortSignal) => Promise<Exchanged>,
): Promise<Exchanged> {
  const done = new AbortController();
  const stop = signal === undefined ? done.signal : AbortSignal.any([signal, done.signal]);
  try {
    const result = await Promise.race([
      work(stop),
      clock.wait(deadline, stop).then(
        () => 'timeout' as const,
        () => 'timeout' as const,
      ),
    ]);
    signal?.throwIfAborted();
    return result;
  } finally {
    done.abort();
  }
}

/**
 * From a port that the operating system draws. The socket is connected, so that the kernel drops what comes from elsewhere; what
 * answers another question or has another id is not looked at further.
 */
function overUdp(query: Buffer, options: ExchangeOptions, stop: AbortSignal): Promise<Exchanged> {
  const { host, port } = options.server;
  return new Promise((resolve) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    let open = true;
    const end = (result: Exchanged): void => {
      stop.removeEventListener('abort', abort);
      if (open) socket.close();
      open = false;
      resolve(result);
    };
    const abort = (): void => end('timeout');
    stop.addEventListener('abort', abort, { once: true });
    const send = (): void => {
      if (open) socket.send(query);
    };
    socket.on('message', (bytes) => {
      if (!hasIdOf(bytes, query)) return;
      const message = decodeMessage(bytes);
      if (message === undefined) end('malformed');
      else if (answers(message, query)) end(message);
    });
    socket.on('error', () => end('unreachable'));
    socket.connect(port, host, () => void sendUntil(stop, options, send));
  });
}

async function sendUntil(
  stop: AbortSignal,
  { clock, resendMs }: ExchangeOptions,
  send: () => void,
): Promise<void> {
  for (let pause = resendMs; !stop.aborted; pause *= 2) {
    send();
    await clock.wait(clock.now() + pause, stop).catch(() => undefined);
  }
}

/** Two octets of length before each message (RFC 1035 section 4.2.2). */
function overTcp(query: Buffer, server: Endpoint, stop: AbortSignal): Promise<Exchanged> {
  return new Promise((resolve) => {
    const socket = createConnection(server, () => {
      socket.write(Buffer.concat([Buffer.of(query.length >> 8, query.length & 0xff), query]));
    });
    let received = Buffer.alloc(0);
    const end = (result: Exchanged): void => {
      stop.removeEventListener('abort', abort);
      socket.destroy();
      resolve(result);
    };
    const abort = (): void => end('timeout');
    stop.addEventListener('abort', abort, { once: true });
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return;
      const bytes = received.subarray(2, 2 + received.readUInt16BE(0));
      const message = hasIdOf(bytes, query) ? decodeMessage(bytes) : undefined;
      end(message !== undefined && answers(message, query) && !message.truncated ? message : 'malformed');
    });
    socket.once('end', () => end('malformed'));
    socket.on('error', () => end('unreachable'));
  });
}

function hasIdOf(bytes: Uint8Array, query: Buffer): boolean {
  return bytes[0] === query[0] && bytes[1] === query[1];
}

/** An answer repeats the question; only a refusal may go without. */
function answers({ question, rcode }: Message, query: Buffer): boolean {
  if (question === undefined) return rcode !== 0 && rcode !== 3;
  const asked = encodeQuery({ ...question, id: 0, checkingDisabled: false });
  return asked.subarray(12).equals(query.subarray(12));
}
