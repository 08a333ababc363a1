import { createServer, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { nowMs } from './time.ts';

/** What one transaction brought, and when its last octet was there. */
export interface Arrival {
  readonly atMs: number;
  readonly message: Buffer;
}

export interface SinkOptions {
  readonly key: string;
  readonly cert: string;
  /** On loopback; 0 for any that is free. */
  readonly port: number;
  /** Told of each message before its 250. */
  readonly onMessage: (arrival: Arrival) => void;
}

const end = Buffer.from('\r\n.\r\n');
const offers = ['sink.test', 'PIPELINING', 'SIZE', '8BITMIME', 'ENHANCEDSTATUSCODES'];

/** The next hop: takes every message over TLS, stores nothing, costs little. Resolves to its port on loopback. */
export function startSink({ key, cert, port, onMessage }: SinkOptions): Promise<number> {
  const context = createSecureContext({ key, cert, minVersion: 'TLSv1.2' });
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined);
    serve(socket, context, onMessage);
  });
  return new Promise((resolve) => {
    server.listen(port, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
  });
}

function serve(plain: Socket, context: SecureContext, onMessage: SinkOptions['onMessage']): void {
  let socket: Socket = plain;
  let pending: Buffer[] = [];
  let pendingOctets = 0;
  let inData = false;

  const command = (line: string): void => {
    const verb = line.slice(0, 4).toUpperCase();
    if (verb === 'EHLO') {
      const lines = socket === plain ? [...offers, 'STARTTLS'] : offers;
      const last = lines.length - 1;
      socket.write(lines.map((text, at) => `250${at === last ? ' ' : '-'}${text}\r\n`).join(''));
    } else if (verb === 'STAR') {
      plain.write('220 2.0.0 go on\r\n');
      plain.removeAllListeners('data');
      socket = new TLSSocket(plain, { isServer: true, secureContext: context });
      socket.on('error', () => undefined);
      socket.on('data', take);
    } else if (verb === 'DATA') {
      inData = true;
      socket.write('354 go on\r\n');
    } else if (verb === 'QUIT') {
      socket.end('221 2.0.0 bye\r\n');
    } else socket.write('250 2.0.0 ok\r\n');
  };

  const take = (chunk: Buffer): void => {
    pending.push(chunk);
    pendingOctets += chunk.length;
    while (pendingOctets > 0) {
      if (inData && !endsData(pending)) return;
      const all = pending.length === 1 ? (pending[0] as Buffer) : Buffer.concat(pending);
      const mark = inData ? all.indexOf(end) : all.indexOf('\n');
      if (mark < 0) {
        pending = [all];
        return;
      }
      const length = mark + (inData ? end.length : 1);
      pending = all.length > length ? [all.subarray(length)] : [];
      pendingOctets = all.length - length;
      if (inData) {
        inData = false;
        onMessage({ atMs: nowMs(), message: all.subarray(0, mark + 2) });
        socket.write('250 2.0.0 taken\r\n');
      } else command(all.toString('latin1', 0, mark));
    }
  };
  socket.on('data', take);
  socket.write('220 sink.test ESMTP\r\n');
}

/** Whether the end of data is among the last octets: there nobody goes on before the answer. */
function endsData(chunks: readonly Buffer[]): boolean {
  let tail = chunks.at(-1) ?? Buffer.alloc(0);
  for (let at = chunks.length - 2; tail.length < end.length && at >= 0; at--)
    tail = Buffer.concat([chunks[at] as Buffer, tail]);
  return tail.subarray(-64).includes(end);
}
