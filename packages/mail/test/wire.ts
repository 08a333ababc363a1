import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';

/** A mail client that says exactly what it is told to, octet by octet. */
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

  /** `rude`: does not hang up when the server does. `from`: an address of 127.0.0.0/8 to come from. */
  static async connect(
    port: number,
    { rude = false, from = '127.0.0.1' }: { rude?: boolean; from?: string } = {},
  ): Promise<Wire> {
    const socket = connect({
      port,
      host: '127.0.0.1',
      localAddress: from,
      noDelay: true,
      allowHalfOpen: rude,
    });
    const wire = new Wire(socket, rude);
    await once(socket, 'connect');
    return wire;
  }

  /** Resolves when the octets have left, or the connection is gone. */
  write(octets: Uint8Array | string): Promise<void> {
    return new Promise((resolve) =>
      this.#socket.write(Buffer.from(octets as string, 'latin1'), () => resolve()),
    );
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

  /** Resolves when the connection is gone; to what came before and was not asked for. */
  async closed(): Promise<string> {
    while (!this.#ended) {
      await this.#changed.promise;
    }
    return this.#received;
  }

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
