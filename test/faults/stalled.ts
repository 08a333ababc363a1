import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Endpoint } from '@postern/runtime';

/** Sockets that have begun a session and do not go on with it. */
export interface Stalled extends Disposable {
  /** How many the other end has not closed. */
  readonly open: number;
}

/** What one says, each behind the reply to the one before: nothing, all but the end of a command, half of the first record of TLS. */
const begun: readonly (readonly (string | Buffer)[])[] = [
  [],
  ['EHLO stalled'],
  ['EHLO stalled.test\r\n', 'MAIL FROM:<secure@'],
  ['EHLO stalled.test\r\n', 'STARTTLS\r\n', Buffer.from('160301020001', 'hex')],
];
/** From several networks, as they come from the Internet: one network alone has fewer places. */
const networks = 5;

/** Resolves once all of them have got as far as they go. */
export async function stall(server: Endpoint, count: number): Promise<Stalled> {
  const sockets = await Promise.all(
    Array.from({ length: count }, async (_, at): Promise<Socket> => {
      const socket = connect({ ...server, localAddress: `127.${100 + (at % networks)}.0.1` });
      socket.on('error', () => undefined);
      await once(socket, 'data');
      for (const [step, said] of (begun[at % begun.length] ?? []).entries()) {
        if (step > 0) await once(socket, 'data');
        socket.write(said);
      }
      socket.resume();
      return socket;
    }),
  );
  return {
    get open() {
      return sockets.filter(({ closed, destroyed }) => !closed && !destroyed).length;
    },
    [Symbol.dispose]() {
      for (const socket of sockets) socket.destroy();
    },
  };
}
