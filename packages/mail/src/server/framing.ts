import { SMTPStream } from 'smtp-server/lib/smtp-stream.js';
import { DataReader, type Received } from './data.ts';

/** What a session does with the units that arrive; each is answered before the next one is handed over. */
export interface Framed {
  /** A command line without its CRLF. `resume` takes the next unit. */
  command(line: Buffer, resume: () => void): void;
  /** How long the line that begins so may be, in octets with its CRLF. Asked when there are more than `maxCommandOctets`. */
  maxOctets(line: Buffer): number;
  /** A line longer than that. Nothing more is read. */
  tooLong(): void;
  /** The end of the data, or more of it than `cutBytes`. */
  data(received: Received, resume: () => void): void;
}

/** Longest command line in octets, with its CRLF: 512 of RFC 5321 section 4.5.3.1.4 and room for parameters. */
export const maxCommandOctets = 1024;

/**
 * Cuts what a client sends into command lines and data. Takes the place of smtp-server's own parser, which ends a
 * command at a bare LF, runs a line cut off by the end of the connection, and passes bare CR, bare LF, NUL and lines
 * of any length through as data. Here only CRLF ends a line (RFC 5321 section 2.3.8).
 */
export class Framing extends SMTPStream {
  readonly #to: Framed;
  #line: Buffer = empty;
  #data: DataReader | undefined;
  #cutBytes = 0;
  /** Octets that arrived together with the unit in hand, behind it. */
  pendingOctets = 0;
  /** Whether there is a whole line among them. */
  pendingLine = false;

  constructor(to: Framed) {
    super();
    this.#to = to;
  }

  /** From the next octet on it is data, up to its end; past `cutBytes` the session is told without waiting for it. */
  startData(maxBytes: number, cutBytes: number): void {
    this.#data = new DataReader(maxBytes);
    this.#cutBytes = cutBytes;
    this._dataMode = true;
  }

  /** Octets of the message in hand so far. */
  get messageOctets(): number {
    return this.#data?.bytes ?? 0;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding | 'buffer', next: () => void): void {
    void this.#cut(chunk, next);
  }

  async #cut(chunk: Buffer, next: () => void): Promise<void> {
    let rest: Buffer | undefined = chunk;
    while (rest !== undefined && rest.length > 0 && !this.isClosed) {
      rest = this.#data === undefined ? await this.#cutCommand(rest) : await this.#cutData(this.#data, rest);
    }
    next();
  }

  async #cutCommand(input: Buffer): Promise<Buffer | undefined> {
    const line = this.#line.length === 0 ? input : Buffer.concat([this.#line, input]);
    const end = line.indexOf('\r\n', Math.max(this.#line.length - 1, 0), 'latin1');
    const octets = end < 0 ? line.length : end + 2;
    if (octets > maxCommandOctets && octets > this.#to.maxOctets(line)) {
      this.isClosed = true;
      this.#to.tooLong();
      return undefined;
    }
    this.#line = end < 0 ? line : empty;
    if (end < 0) return undefined;
    const rest = line.subarray(end + 2);
    this.pendingOctets = rest.length;
    this.pendingLine = rest.includes('\r\n', 0, 'latin1');
    await new Promise<void>((resume) => this.#to.command(line.subarray(0, end), resume));
    return rest;
  }

  async #cutData(data: DataReader, input: Buffer): Promise<Buffer | undefined> {
    const rest = data.take(input);
    if (rest === undefined && data.bytes <= this.#cutBytes) return undefined;
    const received: Received = rest === undefined ? { kind: 'cut' } : data.end();
    this.#data = undefined;
    this.pendingOctets = rest?.length ?? 0;
    this.pendingLine = false;
    this._dataMode = false;
    await new Promise<void>((resume) => this.#to.data(received, resume));
    return rest;
  }
}

const empty = Buffer.alloc(0);
