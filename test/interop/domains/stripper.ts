import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Endpoint } from '@postern/runtime';

/** Somebody on the way to a mail server, who can have it look as if it had no TLS. */
export interface Stripper extends AsyncDisposable {
  readonly address: Endpoint;
  /** From now on takes STARTTLS out of what the server offers, and refuses it in the server's name. */
  strips: boolean;
  /** How often it has done either. */
  readonly stripped: number;
  /** Breaks all connections. */
  cut(): void;
}

export async function startStripper(server: Endpoint): Promise<Stripper> {
  const sockets = new Set<Socket>();
  const stripper = {
    address: { host: '127.0.0.1', port: 0 },
    strips: false,
    stripped: 0,
    cut: () => {
      for (const socket of sockets) socket.destroy();
    },
    [Symbol.asyncDispose]: async () => {
      const closed = once(front, 'close');
      front.close();
      stripper.cut();
      await closed;
    },
  };
  const front = createServer((near) => {
    const far = connect(server);
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        sockets.delete(from);
        to.destroySoon();
      });
    }
    near.on('data', (bytes: Buffer) => {
      if (!stripper.strips || !/^STARTTLS\r\n$/i.test(bytes.toString('latin1'))) return far.write(bytes);
      stripper.stripped += 1;
      return near.write('454 4.7.0 TLS not available due to local problem\r\n');
    });
    far.on('data', (bytes: Buffer) => {
      const offered = bytes.toString('latin1');
      const left = stripper.strips ? offered.replace(/^250-STARTTLS\r\n/im, '') : offered;
      if (left !== offered) stripper.stripped += 1;
      near.write(Buffer.from(left, 'latin1'));
    });
  });
  front.listen(stripper.address);
  await once(front, 'listening');
  stripper.address = { host: '127.0.0.1', port: (front.address() as { port: number }).port };
  return stripper;
}
