import { createSocket, type RemoteInfo } from 'node:dgram';
import { createServer, type Socket } from 'node:net';
import { type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import { onTestFinished } from 'vitest';
import type { Endpoint } from '../src/index.ts';

export type Transport = 'udp' | 'tcp';

/** What a server sends back: whole messages, or octets as they are; nothing at all when empty. */
export type Reply = (query: DecodedPacket, transport: Transport) => readonly (Packet | Buffer)[];

export interface DnsServer extends Endpoint {
  /** Every question that came, in order. */
  readonly asked: DecodedPacket[];
  /** How each came. */
  readonly transports: Transport[];
  /** Where each datagram came from. */
  readonly clientPorts: number[];
}

/** A real server on loopback, UDP and TCP on one port, whose answers the test makes. */
export async function startDnsServer(reply: Reply, host = '127.0.0.1'): Promise<DnsServer> {
  const asked: DecodedPacket[] = [];
  const transports: Transport[] = [];
  const clientPorts: number[] = [];
  const replies = (bytes: Buffer, transport: Transport): Buffer[] => {
    const query = decode(bytes);
    asked.push(query);
    transports.push(transport);
    return reply(query, transport).map((each) => (Buffer.isBuffer(each) ? each : encode(each)));
  };
  const connections = new Set<Socket>();
  const tcp = createServer((socket) => {
    connections.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', (framed: Buffer) => {
      for (const bytes of replies(framed.subarray(2), 'tcp'))
        socket.write(Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 0xff), bytes]));
      socket.end();
    });
  });
  await new Promise<void>((resolve) => {
    tcp.listen(0, host, resolve);
  });
  const { port } = tcp.address() as { port: number };
  const udp = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  udp.on('message', (query: Buffer, from: RemoteInfo) => {
    clientPorts.push(from.port);
    for (const bytes of replies(query, 'udp')) udp.send(bytes, from.port, from.address);
  });
  await new Promise<void>((resolve) => {
    udp.bind(port, host, resolve);
  });
  onTestFinished(async () => {
    udp.close();
    for (const socket of connections) socket.destroy();
    await new Promise((resolve) => tcp.close(resolve));
  });
  return { host, port, asked, transports, clientPorts };
}

/** An answer to a query, with what is given in place. */
export function answerTo(query: DecodedPacket, given: Partial<Packet> & { flags?: number } = {}): Packet {
  const { flags = 0, ...rest } = given;
  return { type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [], ...rest };
}

export const flag = { truncated: 0x0200, authentic: 0x0020, servfail: 2, nxdomain: 3, refused: 5 } as const;
