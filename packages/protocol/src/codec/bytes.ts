/*
 * Binary formats with exactly one encoding: integers are big-endian and of fixed width, a byte string is of a known length
 * or has its length in front.
 */

/** Appends fields; the values are the caller's to be in range. */
export class ByteWriter {
  readonly #parts: Uint8Array[] = [];

  u8(value: number): this {
    return this.#integer(value, 1);
  }

  u16(value: number): this {
    return this.#integer(value, 2);
  }

  u32(value: number): this {
    return this.#integer(value, 4);
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(value);
    return this;
  }

  /** A byte string of up to 255 bytes behind its length. */
  vector8(value: Uint8Array): this {
    return this.u8(value.length).bytes(value);
  }

  /** A byte string of up to 65,535 bytes behind its length. */
  vector16(value: Uint8Array): this {
    return this.u16(value.length).bytes(value);
  }

  /** `count` zero bytes. */
  zeros(count: number): this {
    return this.bytes(new Uint8Array(count));
  }

  finish(): Uint8Array {
    return concat(...this.#parts);
  }

  #integer(value: number, width: number): this {
    if (!Number.isInteger(value) || value < 0 || value >= 256 ** width)
      throw new RangeError(`${value} is no unsigned integer of ${width} bytes`);
    return this.bytes(
      Uint8Array.from({ length: width }, (_, i) => Math.floor(value / 256 ** (width - 1 - i)) % 256),
    );
  }
}

/** Takes fields off the front. Every method throws `OutOfBytes` past the end: use it inside `decodeBytes`. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    // A Buffer's slice would be a view
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  u8(): number {
    return this.#integer(1);
  }

  u16(): number {
    return this.#integer(2);
  }

  u32(): number {
    return this.#integer(4);
  }

  /** A view, not a copy. */
  bytes(length: number): Uint8Array {
    if (length > this.left) throw new OutOfBytes();
    this.#at += length;
    return this.#bytes.subarray(this.#at - length, this.#at);
  }

  vector8(): Uint8Array {
    return this.bytes(this.u8());
  }

  vector16(): Uint8Array {
    return this.bytes(this.u16());
  }

  rest(): Uint8Array {
    return this.bytes(this.left);
  }

  #integer(width: number): number {
    if (width > this.left) throw new OutOfBytes();
    let value = 0;
    for (const end = this.#at + width; this.#at < end; this.#at++)
      value = value * 256 + (this.#bytes[this.#at] ?? 0);
    return value;
  }
}

/** What `read` makes of all the bytes; undefined when they are too few or some are left over. */
export function decodeBytes<T>(bytes: Uint8Array, read: (reader: ByteReader) => T): T | undefined {
  const reader = new ByteReader(bytes);
  try {
    const value = read(reader);
    return reader.left === 0 ? value : undefined;
  } catch (error) {
    if (error instanceof OutOfBytes) return undefined;
    throw error;
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** Not in constant time: for public values. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

/** The end came before the field did. */
class OutOfBytes extends Error {}
