import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

export interface WireOptions {
  readonly port: number;
  /** 127.0.0.1 unless given. */
  readonly host?: string;
  /** An address of 127.0.0.0/8 to come from. */
  readonly from?: string;
  /** Does not hang up when the server does. */
  readonly rude?: boolean;
}

/** A mail client that says exactly what it is told to, write by write. */
export class Wire implements Disposable {
  #socket: Socket;
  #received = '';
  #ended = false;
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  readonly #rude: boolean;

  private constructor(socket: Socket, rude: boolean) {
    this.#socket = socket;
    this.#rude = rude;
    this.#listen();
  }

  static async connect({
    port,
    host = '127.0.0.1',
    from = '127.0.0.1',
    rude = false,
  }: WireOptions): Promise<Wire> {
    const socket = connect({ port, host, localAddress: from, noDelay: true, allowHalfOpen: rude });
    const wire = new Wire(socket, rude);
    await once(socket, 'connect');
    return wire;
  }

  /** Resolves when the octets have left, or the connection is gone. */
  write(octets: Uint8Array | string): Promise<void> {
    const bytes = typeof octets === 'string' ? Buffer.from(octets, 'latin1') : octets;
    return new Promise((resolve) => this.#socket.write(bytes, () => resolve()));
  }

  /** The next reply, all its lines, without the last CRLF; `closed` when the server ended the connection instead. */
  async reply(): Promise<string> {
    for (;;) {
      const [reply] = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n/.exec(this.#received) ?? [];
      if (reply !== undefined) {
        this.#received = this.#received.slice(reply.length);
        return reply.slice(0, -2);
      }
      if (this.#ended) return this.#received === '' ? 'closed' : `fragment ${JSON.stringify(this.#received)}`;
      await this.#changed.promise;
    }
  }

  /** One command, and the answer to it. */
  async say(command: string): Promise<string> {
    await this.write(`${command}\r\n`);
    return this.reply();
  }

  /** Resolves when the connection is gone; to what came before and was not asked for. */
  async closed(): Promise<string> {
    while (!this.#ended) {
      await this.#changed.promise;
    }
    return this.#received;
  }

  /** Rejects when the server does not come to the end of the handshake. */
  async startTls(options: { ecdhCurve?: string; maxVersion?: 'TLSv1.2' } = {}): Promise<void> {
    this.#socket.removeAllListeners();
    const rude: ConnectionOptions & { allowHalfOpen: boolean } = { allowHalfOpen: this.#rude };
    const socket = connectTls({ socket: this.#socket, rejectUnauthorized: false, ...rude, ...options });
    this.#socket = socket;
    this.#listen();
    await once(socket, 'secureConnect');
  }

  get socket(): Socket {
    return this.#socket;
  }

  get gone(): boolean {
    return this.#socket.destroyed;
  }

  cut(): void {
    this.#socket.destroy();
  }

  [Symbol.dispose](): void {
    this.cut();
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  #listen(): void {
    this.#socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      this.#wake();
    });
    const ended = (): void => {
      this.#ended = true;
      this.#wake();
    };
    this.#socket.on('end', ended);
    this.#socket.on('close', ended);
    this.#socket.on('error', ended);
  }
}
