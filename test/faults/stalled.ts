import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import type { Endpoint } from '@postern/runtime';

/** Sockets that begin a session and do not go on with it, each opened again when the other end closes it, until disposed. */
export interface Stalled extends Disposable {
  /** Sessions that have got as far as they go. */
  readonly begun: number;
}

/** What one says, each behind the reply to the one before: nothing, all but the end of a command, half of the first record of TLS. */
const beginnings: readonly (readonly (string | Buffer)[])[] = [
  [],
  ['EHLO stalled'],
  ['EHLO stalled.test\r\n', 'MAIL FROM:<secure@'],
  ['EHLO stalled.test\r\n', 'STARTTLS\r\n', Buffer.from('160301020001', 'hex')],
];
/** From several networks, as they come from the Internet: one network alone has fewer places. */
const networks = 5;
/** Before one that was closed comes again. */
const againMs = 1_000;
/** One that gets no reply for so long is none: its last packet found the line of those to be accepted full, and the other end has given it up. */
const replyMs = 20_000;

/** Resolves once each has got as far as it goes, or was closed before. */
export async function stall(server: Endpoint, count: number): Promise<Stalled> {
  const over = new AbortController();
  const { signal } = over;
  let begun = 0;
  const begin = async (at: number): Promise<Socket> => {
    const socket = connect({ ...server, localAddress: `127.${100 + (at % networks)}.0.1` });
    socket.on('error', () => undefined);
    signal.addEventListener('abort', () => socket.destroy(), { once: true });
    const closed = new AbortController();
    socket.once('close', () => closed.abort());
    socket.setTimeout(replyMs, () => socket.destroy());
    const reply = (): Promise<unknown> => once(socket, 'data', { signal: closed.signal });
    try {
      await reply();
      for (const [step, said] of (beginnings[at % beginnings.length] ?? []).entries()) {
        if (step > 0) await reply();
        socket.write(said);
      }
      begun += 1;
      socket.setTimeout(0).resume();
    } catch {
      socket.destroy(); // it was closed
    }
    return socket;
  };
  const keep = async (at: number, first: Socket): Promise<void> => {
    for (let socket = first; ; socket = await begin(at)) {
      if (!socket.closed) await once(socket, 'close');
      await pause(againMs, undefined, { signal });
    }
  };
  const sockets = await Promise.all(Array.from({ length: count }, (_, at) => begin(at)));
  for (const [at, socket] of sockets.entries()) keep(at, socket).catch(() => undefined); // it is over
  return {
    get begun() {
      return begun;
    },
    [Symbol.dispose]: () => over.abort(),
  };
}
