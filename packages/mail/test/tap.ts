import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Who sits on the wire in front of a server, and keeps every octet. */
export interface Tap extends AsyncDisposable {
  readonly port: number;
  /** What went by, in both directions, in the order of its coming. */
  recorded(): Buffer;
}

export async function openTap(target: number): Promise<Tap> {
  const chunks: Buffer[] = [];
  const sockets: Socket[] = [];
  const pass = (from: Socket, to: Socket): void => {
    sockets.push(from);
    from.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      to.write(chunk);
    });
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
  };
  const server = createServer((near) => {
    const far = connect(target, '127.0.0.1');
    pass(near, far);
    pass(far, near);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    recorded: () => Buffer.concat(chunks),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
