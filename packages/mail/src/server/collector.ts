/**
 * Puts chunks together in one buffer that becomes four times as large when it is full, up to `maxBytes`. A list of the chunks would cost some
 * 200 octets of objects for each, which a client that sends octet by octet could make 200 times its message.
 */
export class Collector {
  readonly #maxBytes: number;
  #buffer: Buffer = empty;
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Octets of memory taken up: less than four times what was added, or `minCapacity`, and never more than `maxBytes`. */
  get capacity(): number {
    return this.#buffer.length;
  }

  /** Copies the chunk. All chunks together must not be longer than `maxBytes`. */
  add(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (length > this.#buffer.length) this.#grow(length);
    chunk.copy(this.#buffer, this.#length);
    this.#length = length;
  }

  /** All that was added. Nothing may be added afterwards. */
  take(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Forgets all that was added and gives the memory back. */
  drop(): void {
    this.#buffer = empty;
    this.#length = 0;
  }

  #grow(length: number): void {
    const capacity = Math.min(Math.max(length, 4 * this.#buffer.length, minCapacity), this.#maxBytes);
    const grown = Buffer.allocUnsafeSlow(capacity);
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }
}

/** Octets of the first buffer: a carriage of some 45 KB takes at most two more. */
export const minCapacity = 4096;
const empty = Buffer.alloc(0);
