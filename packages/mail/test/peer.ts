import { once } from 'node:events';
import { createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import { TLSSocket, type TlsOptions } from 'node:tls';
import { identity } from './inbox.ts';

/** A mail server that says exactly what its scripts tell it to, one script for each connection. */
export interface Peer extends AsyncDisposable {
  readonly port: number;
  /** How many connections there were. */
  readonly connections: number;
  /** What each connection heard: its command lines, and the data as one entry. */
  readonly heard: string[][];
  /** How each script went: nothing, or the line at which the client did something else. */
  outcomes(): Promise<(string | undefined)[]>;
}

export interface PeerOptions {
  readonly listen?: ListenOptions;
  readonly tls?: TlsOptions;
  /** From the second connection on. */
  readonly tlsNext?: TlsOptions;
}

/**
 * Scripts are conversations seen from the other end: `S: text` is said, `C: text` is what the client's next line must
 * begin with, `DATA` reads up to the end of the data, `TLS` shakes hands, `CUT` drops the connection, `END` waits until
 * the client hangs up, `TRICKLE` says octets one by one for ever. At the end of a script the connection is dropped.
 */
export async function openPeer(
  scripts: readonly string[],
  { listen = { port: 0, host: '127.0.0.1' }, tls = {}, tlsNext = tls }: PeerOptions = {},
): Promise<Peer> {
  const heard: string[][] = [];
  const runs: Promise<string | undefined>[] = [];
  const server: Server = createServer((socket) => {
    const lines: string[] = [];
    const script = scripts[heard.push(lines) - 1];
    if (script === undefined) socket.destroy();
    else runs.push(new Actor(socket, lines, heard.length === 1 ? tls : tlsNext).play(script));
  });
  server.listen(listen);
  await once(server, 'listening');
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    get connections() {
      return heard.length;
    },
    heard,
    outcomes: () => Promise.all(runs),
    [Symbol.asyncDispose]: async () => {
      server.close();
      await Promise.all(runs);
    },
  };
}

class Actor {
  #socket: Socket;
  readonly #heard: string[];
  readonly #tls: TlsOptions;
  #received = '';
  #ended = false;
  #changed: PromiseWithResolvers<void> = Promise.withResolvers();

  constructor(socket: Socket, heard: string[], tls: TlsOptions) {
    this.#socket = socket;
    this.#heard = heard;
    this.#tls = tls;
    this.#listen(socket);
  }

  async play(script: string): Promise<string | undefined> {
    try {
      for (const line of script.split('\n').map((text) => text.trim())) {
        if (line !== '' && !(await this.#act(line))) return line;
      }
      return undefined;
    } finally {
      this.#socket.destroy();
    }
  }

  async #act(line: string): Promise<boolean> {
    const text = line.slice(3);
    if (line === 'TLS') return this.#startTls();
    if (line === 'CUT') return Boolean(this.#socket.destroy());
    if (line === 'END') return (await this.#until(() => this.#ended || undefined)) ?? true;
    if (line === 'DATA') return this.#hearData();
    if (line === 'TRICKLE') return this.#trickle();
    if (line.startsWith('S: ')) return this.#say(`${text.replaceAll('\\r\\n', '\r\n')}\r\n`);
    if (line.startsWith('C: ')) return this.#hear(text);
    throw new SyntaxError(`not a line of a script: ${line}`);
  }

  #say(text: string): Promise<boolean> {
    return new Promise((resolve) => this.#socket.write(text, (error) => resolve(!error)));
  }

  async #trickle(): Promise<boolean> {
    while (await this.#say('2')) await new Promise((resolve) => setTimeout(resolve, 5));
    return true;
  }

  async #hear(expected: string): Promise<boolean> {
    const line = await this.#until(() => /^.*\r\n/.exec(this.#received)?.[0]);
    if (line === undefined) return false;
    this.#received = this.#received.slice(line.length);
    this.#heard.push(line.slice(0, -2));
    return line.startsWith(expected);
  }

  async #hearData(): Promise<boolean> {
    const data = await this.#until(() => /^(?:.*?\r\n)?\.\r\n/s.exec(this.#received)?.[0]);
    if (data === undefined) return false;
    this.#received = this.#received.slice(data.length);
    this.#heard.push(data);
    return true;
  }

  async #startTls(): Promise<boolean> {
    this.#socket.removeAllListeners();
    const socket = new TLSSocket(this.#socket, { isServer: true, ...identity, ...this.#tls });
    this.#listen(socket);
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#end());
    this.#socket = socket;
    let secure = false;
    socket.once('secure', () => {
      secure = true;
      this.#change();
    });
    return (await this.#until(() => secure || undefined)) ?? false;
  }

  /** The first thing that `look` finds, or undefined once the client has hung up. */
  async #until<T>(look: () => T | undefined): Promise<T | undefined> {
    for (;;) {
      const found = look();
      if (found !== undefined || this.#ended) return found;
      await this.#changed.promise;
    }
  }

  #listen(socket: Socket): void {
    socket.on('data', (chunk: Buffer) => {
      this.#received += chunk.toString('latin1');
      this.#change();
    });
    for (const event of ['end', 'close', 'error']) socket.on(event, () => this.#end());
  }

  #end(): void {
    this.#ended = true;
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}

/** Up to a peer's answer to EHLO after STARTTLS; it offers nothing but REQUIRETLS. */
export const greeting = `
  S: 220 mx.test ESMTP
  C: EHLO sender.test
  S: 250-mx.test\\r\\n250 STARTTLS
  C: STARTTLS
  S: 220 go
  TLS
  C: EHLO sender.test
  S: 250-mx.test\\r\\n250 REQUIRETLS
`;

/** One message taken. */
export const taken = `
  C: MAIL FROM:<secure@a.test>
  S: 250 2.1.0 ok
  C: RCPT TO:<secure@mx.test>
  S: 250 2.1.5 ok
  C: DATA
  S: 354 go on
  DATA
  S: 250 2.6.0 taken
`;
