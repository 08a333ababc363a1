import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** A bare SMTP client, to send what no decent one would. */
export class Smtp implements Disposable {
  #socket: Socket;
  #replies: string[] = [];
  #wake: () => void = () => {};

  constructor(host: string, port: number) {
    this.#socket = connect({ host, port });
    this.#listen();
  }

  /** Sends the octets as they are and returns the next reply's last line. */
  async say(octets: string): Promise<string> {
    this.#socket.write(octets, 'latin1');
    return await this.hear();
  }

  async hear(): Promise<string> {
    while (this.#replies.length === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#replies.shift() ?? '';
  }

  async startTls(): Promise<void> {
    this.#socket.removeAllListeners();
    this.#socket = connectTls({ socket: this.#socket, rejectUnauthorized: false });
    await once(this.#socket, 'secureConnect');
    this.#listen();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }

  #listen(): void {
    let received = '';
    this.#socket.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      const lines = received.split('\r\n');
      received = lines.pop() ?? '';
      this.#add(...lines.filter((line) => /^\d{3} /.test(line)));
    });
    this.#socket.on('close', () => this.#add('closed'));
    this.#socket.on('error', () => {});
  }

  #add(...replies: string[]): void {
    this.#replies.push(...replies);
    this.#wake();
  }
}
