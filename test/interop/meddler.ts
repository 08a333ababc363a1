import { createSocket, type RemoteInfo } from 'node:dgram';
import type { Endpoint } from '@postern/runtime';

/** Somebody on the way to a DNS server, who may change every datagram that comes back. */
export interface Meddler extends AsyncDisposable {
  readonly address: Endpoint;
  /** How many answers have come. */
  seen: number;
  change(answer: Buffer, at: number): Buffer;
}

export async function startMeddler(server: Endpoint, host = '127.0.0.1'): Promise<Meddler> {
  const front = createSocket('udp4');
  const back = createSocket('udp4');
  const clients = new Map<number, RemoteInfo>();
  const meddler = {
    address: { host, port: 0 },
    seen: 0,
    change: (answer: Buffer, _at: number) => answer,
    [Symbol.asyncDispose]: async () => {
      front.close();
      back.close();
    },
  };
  front.on('message', (query, from) => {
    clients.set(query.readUInt16BE(0), from);
    back.send(query, server.port, server.host);
  });
  back.on('message', (answer) => {
    const client = clients.get(answer.readUInt16BE(0));
    const changed = meddler.change(answer, meddler.seen);
    meddler.seen += 1;
    if (client !== undefined) front.send(changed, client.port, client.address);
  });
  for (const [socket, at] of [
    [front, host],
    [back, '127.0.0.1'],
  ] as const)
    await new Promise<void>((resolve) => {
      socket.bind(0, at, resolve);
    });
  meddler.address.port = front.address().port;
  return meddler;
}
