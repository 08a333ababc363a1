import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect } from 'vitest';

/** An author's program that says exactly what it is told to. */
export class Program implements Disposable {
  #socket: Socket;
  #received = '';
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#listen();
  }

  static async connect({ port, tls }: { port: number; tls: 'starttls' | 'implicit' }): Promise<Program> {
    const at = { host: '127.0.0.1', port };
    const socket = tls === 'implicit' ? connectTls({ ...at, rejectUnauthorized: false }) : connect(at);
    await once(socket, tls === 'implicit' ? 'secureConnect' : 'connect');
    return new Program(socket);
  }

  /** One line each: `C: text` is said, `S: text` is how the last line of the next reply begins, `TLS` shakes hands. */
  async converse(script: string): Promise<void> {
    for (const line of script.split('\n').map((text) => text.trim())) {
      const text = line.slice(3);
      if (line.startsWith('C: ')) this.#socket.write(`${text}\r\n`);
      else if (line.startsWith('S: ')) expectReply(await this.reply(), text);
      else if (line === 'TLS') await this.#startTls();
      else if (line !== '') throw new SyntaxError(`not a line of a conversation: ${line}`);
    }
  }

  /** Ends the data that the server has asked for; to its reply. */
  async data(message: Uint8Array): Promise<string> {
    this.#socket.write(message);
    this.#socket.write('.\r\n');
    return this.reply();
  }

  /** The last line of the next reply; `closed` when the server has hung up. */
  async reply(): Promise<string> {
    for (;;) {
      const [reply] = /^(?:\d{3}-[^\r\n]*\r\n)*\d{3} [^\r\n]*\r\n/.exec(this.#received) ?? [];
      if (reply !== undefined) {
        this.#received = this.#received.slice(reply.length);
        return reply.slice(0, -2).split('\r\n').at(-1) ?? '';
      }
      if (this.#socket.readableEnded || this.#socket.destroyed) return 'closed';
      await this.#changed.promise;
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  async #startTls(): Promise<void> {
    this.#socket.removeAllListeners();
    this.#socket = connectTls({ socket: this.#socket, rejectUnauthorized: false });
    this.#listen();
    await once(this.#socket, 'secureConnect');
  }

  #listen(): void {
    const wake = (): void => {
      this.#changed.resolve();
      this.#changed = Promise.withResolvers();
    };
    this.#socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      wake();
    });
    for (const event of ['end', 'close', 'error']) this.#socket.on(event, wake);
  }
}

function expectReply(reply: string, start: string): void {
  expect(reply.slice(0, start.length)).toBe(start);
}

/** From the greeting of implicit TLS up to the answer to EHLO. */
export const hello = `
  S: 220
  C: EHLO program.test
  S: 250
`;

/** The same over STARTTLS. */
export const overTls = `
  ${hello}
  C: STARTTLS
  S: 220
  TLS
  C: EHLO program.test
  S: 250
`;

export function login(user: string, password: string): string {
  return `AUTH PLAIN ${Buffer.from(`\0${user}\0${password}`).toString('base64')}`;
}
