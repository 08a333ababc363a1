import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import type { Endpoint, SocketPath } from '@postern/runtime';

/** Bytes that passed a tap. */
export interface Chunk {
  /** Milliseconds since 1970, by the tap's own clock. */
  readonly atMs: number;
  /** `in`: towards whoever listens behind the tap; `out`: back. */
  readonly direction: 'in' | 'out';
  readonly bytes: Uint8Array;
}

/** A connection through a tap, and everything that has passed on it so far, in order. */
export interface TappedConnection {
  /** Whose wire: the name of the tap. */
  readonly name: string;
  readonly chunks: readonly Chunk[];
  readonly ended: boolean;
}

export interface Tap extends AsyncDisposable {
  readonly name: string;
  /** Where to connect instead of to the tapped server. */
  readonly address: Endpoint;
  readonly connections: readonly TappedConnection[];
  /** Where the tapped server listens. Until it is known, and while it is not there, connections are refused. */
  leadTo(server: Endpoint | SocketPath): void;
}

export interface TapOptions {
  readonly name: string;
  /** Where to connect to the tap: a free port of 127.0.0.1 unless given. */
  readonly listen?: Endpoint;
  /** The address that the tapped server sees connections come from: any of this machine unless given. */
  readonly from?: string;
  /** Called behind every chunk. */
  readonly onChunk?: (connection: TappedConnection, chunk: Chunk) => void;
  /**
   * Asked behind `onChunk`: a chunk, and what comes behind it that way, passes only when this has resolved, and after `cut` never: the
   * connection is gone at both ends. Must not reject.
   */
  readonly hold?: (connection: TappedConnection, chunk: Chunk) => Promise<void> | 'cut' | undefined;
  /** Keeps the bytes. Without, only `onChunk` sees them. */
  readonly keep?: boolean;
}

interface Connection extends TappedConnection {
  readonly chunks: Chunk[];
  ended: boolean;
}

/** A wire-tap: a TCP proxy on loopback that passes every byte on as it is and keeps a copy. */
export async function startTap({ name, listen, from, onChunk, hold, keep = true }: TapOptions): Promise<Tap> {
  const connections: Connection[] = [];
  const sockets = new Set<Socket>();
  let target: Endpoint | SocketPath | undefined;

  const pass = (connection: Connection, direction: Chunk['direction'], from: Socket, to: Socket): void => {
    let holding = false;
    from.on('data', (bytes) => {
      const chunk: Chunk = { atMs: Date.now(), direction, bytes: new Uint8Array(bytes as Buffer) };
      if (keep) connection.chunks.push(chunk);
      onChunk?.(connection, chunk);
      const held = hold?.(connection, chunk);
      if (held === 'cut') {
        reset(from);
        reset(to);
        return;
      }
      if (held === undefined) {
        if (!to.write(bytes)) from.pause();
        return;
      }
      holding = true;
      from.pause();
      void held.then(() => {
        holding = false;
        if (to.destroyed || to.write(bytes)) from.resume();
      });
    });
    to.on('drain', () => {
      if (!holding) from.resume();
    });
    from.on('end', () => to.end());
    // A reset is passed on as one; how the other end sees it is the same as without a tap.
    from.on('close', (failed) => {
      connection.ended = true;
      sockets.delete(from);
      if (failed) reset(to);
      else to.destroySoon();
    });
    from.on('error', () => undefined);
  };

  const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
    if (target === undefined) {
      near.destroy();
      return;
    }
    const source = from === undefined ? {} : { localAddress: from };
    const far = connect({ ...target, ...source, allowHalfOpen: true, noDelay: true });
    const connection: Connection = { name, chunks: [], ended: false };
    if (keep) connections.push(connection);
    sockets.add(near).add(far);
    pass(connection, 'in', near, far);
    pass(connection, 'out', far, near);
  });
  server.listen(listen ?? { host: '127.0.0.1', port: 0 });
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a tap listens on TCP');

  return {
    name,
    address: { host: address.address, port: address.port },
    connections,
    leadTo(endpoint) {
      target = endpoint;
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** A unix socket knows no reset. */
function reset(socket: Socket): void {
  if (socket.localAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}
