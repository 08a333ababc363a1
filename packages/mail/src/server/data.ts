import { nextBreak, viewOf } from '../breaks.ts';
import { Collector } from './collector.ts';

/**
 * - `line-ends`: a CR or LF that is no part of a CRLF. Some mail servers end a line there, and the data with it
 * - `nul`: a NUL octet, which others drop
 * - `long-line`: more than 998 octets between two CRLFs (RFC 5322 section 2.1.1)
 * - `too-big`: more octets than the limit
 */
export type DataFault = 'line-ends' | 'nul' | 'long-line' | 'too-big';

/** What came after the 354 reply. `cut`: so much too much that its end was not waited for. */
export type Received =
  | { readonly kind: 'message'; readonly bytes: Buffer }
  | { readonly kind: 'refused'; readonly fault: DataFault }
  | { readonly kind: 'cut' };

/** Longest line in octets, without its CRLF (RFC 5322 section 2.1.1). */
export const maxLineOctets = 998;

/**
 * Reads the data of one message (RFC 5321 section 4.1.1.4). Only CRLF "." CRLF ends it, or "." CRLF at its begin; only
 * a dot after a CRLF is taken off (section 4.5.2). A fault does not end the data: it is read to its end, so that
 * nothing in it can pass for a command, and then refused as a whole.
 *
 * Keeps at most `maxBytes`, in one piece of memory, however much arrives and in however small chunks.
 */
export class DataReader {
  readonly #maxBytes: number;
  /** Octets of the message so far, kept or not. */
  bytes = 0;
  #fault: DataFault | undefined;
  readonly #kept: Collector;
  /** The end of the last chunk if only the next one says what it is: a CR, or a dot at the begin of a line. */
  #held: Buffer = empty;
  #atLineStart = true;
  #lineOctets = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
    this.#kept = new Collector(maxBytes);
  }

  /** Octets of memory that the message takes up so far. */
  get heldBytes(): number {
    return this.#kept.capacity;
  }

  /** Takes the next chunk. Returns what follows the end of the data, or undefined if the data goes on. */
  take(chunk: Buffer): Buffer | undefined {
    const input = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    this.#held = empty;
    let start = 0; // begin of what has not been kept yet
    const octets = viewOf(input);
    let at = 0;
    for (;;) {
      if (this.#atLineStart && input[at] === dot) {
        const ending = input.subarray(at, at + endOfData.length);
        if (ending.length < endOfData.length && endOfData.subarray(0, ending.length).equals(ending)) {
          return this.#hold(input, start, at);
        }
        this.#keep(input.subarray(start, at));
        if (ending.equals(endOfData)) return input.subarray(at + endOfData.length);
        at += 1;
        start = at;
      }
      this.#atLineStart &&= at === input.length;
      const found = nextBreak(octets, at);
      if (found === -1) {
        this.#countLine(input.length - at);
        this.#keep(input.subarray(start));
        return undefined;
      }
      const isCr = input[found] === carriageReturn;
      if (isCr && found === input.length - 1) {
        this.#countLine(found - at);
        return this.#hold(input, start, found);
      }
      if (isCr && input[found + 1] === lineFeed) {
        this.#countLine(found - at);
        this.#lineOctets = 0;
        this.#atLineStart = true;
        at = found + 2;
      } else {
        this.#refuse('line-ends');
        this.#countLine(found + 1 - at);
        at = found + 1;
      }
    }
  }

  /** The verdict on the data once `take` has seen its end. */
  end(): Received {
    if (this.#fault !== undefined) return { kind: 'refused', fault: this.#fault };
    return { kind: 'message', bytes: this.#kept.take() };
  }

  #hold(input: Buffer, start: number, at: number): undefined {
    this.#keep(input.subarray(start, at));
    this.#held = input.subarray(at);
  }

  #keep(part: Buffer): void {
    this.bytes += part.length;
    if (this.bytes > this.#maxBytes) this.#refuse('too-big');
    if (part.includes(0)) this.#refuse('nul');
    if (this.#fault === undefined) this.#kept.add(part);
  }

  #countLine(octets: number): void {
    this.#lineOctets += octets;
    if (this.#lineOctets > maxLineOctets) this.#refuse('long-line');
  }

  /** Of several the gravest stands, so that the answer does not depend on how the data was cut. */
  #refuse(fault: DataFault): void {
    if (fault === this.#fault) return;
    if (this.#fault === undefined || gravity.indexOf(fault) > gravity.indexOf(this.#fault))
      this.#fault = fault;
    this.#kept.drop();
  }
}

/** The last one says that the rest need not be sent. */
const gravity: readonly DataFault[] = ['long-line', 'line-ends', 'nul', 'too-big'];

const empty = Buffer.alloc(0);
const endOfData = Buffer.from('.\r\n', 'latin1');
const dot = 0x2e;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;
