import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Endpoint } from '@postern/runtime';

/** A mail client that says exactly what it is told to, write by write. */
export class Wire implements Disposable {
  #socket: Socket;
  #received = '';
  #ended = false;
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
  }

  /** `from`: an address of 127.0.0.0/8 to come from. */
  static async connect({ host, port }: Endpoint, from = '127.0.0.1'): Promise<Wire> {
    const socket = connect({ host, port, localAddress: from, noDelay: true });
    const wire = new Wire(socket);
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

  /** Rejects when the server does not come to the end of the handshake. */
  async startTls(): Promise<void> {
    this.#socket.removeAllListeners();
    this.#socket = connectTls({ socket: this.#socket, rejectUnauthorized: false });
    this.#listen();
    await once(this.#socket, 'secureConnect');
  }

  /** Reads nothing more of what the server says. */
  pause(): void {
    this.#socket.pause();
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
    for (const event of ['end', 'close', 'error']) this.#socket.on(event, ended);
  }
}
