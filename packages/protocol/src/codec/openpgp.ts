/*
 * How OpenPGP packets lie one behind the other (RFC 9580 section 4.2), read without interpreting one: what is said here is known before
 * a library spends anything on the bodies.
 */

export interface FramedPacket {
  /** RFC 9580 section 5: the packet type ID. */
  readonly type: number;
  /** A view, unless it came in partial lengths. */
  readonly body: Uint8Array;
  /** How its end was told: an indeterminate length (RFC 9580 section 4.2.2) goes to the end of all. */
  readonly length: 'definite' | 'partial' | 'indeterminate';
  /** Where the next one begins. */
  readonly end: number;
}

/** RFC 9580 table 3, as far as this package meets them. */
export const packetTypes = {
  publicKeyEncryptedSessionKey: 1,
  signature: 2,
  passwordEncryptedSessionKey: 3,
  onePassSignature: 4,
  secretKey: 5,
  publicKey: 6,
  secretSubkey: 7,
  compressedData: 8,
  symmetricallyEncrypted: 9,
  marker: 10,
  literalData: 11,
  userId: 13,
  encryptedIntegrityProtected: 18,
  padding: 21,
} as const;

/** The packets of a sequence; undefined when they are more than `most`, and when one ends past the end. */
export function framePackets(bytes: Uint8Array, most: number): FramedPacket[] | undefined {
  const packets: FramedPacket[] = [];
  for (let at = 0; at < bytes.length; ) {
    const packet = packets.length < most ? frame(bytes, at) : undefined;
    if (packet === undefined) return undefined;
    packets.push(packet);
    at = packet.end;
  }
  return packets;
}

/** A packet with a length of five octets, whatever the body's: its size is the body's and six. */
export function writePacket(type: number, ...body: readonly Uint8Array[]): Uint8Array {
  const length = body.reduce((sum, part) => sum + part.length, 0);
  const packet = new Uint8Array(packetHeaderBytes + length);
  packet.set([0xc0 | type, 0xff]);
  new DataView(packet.buffer).setUint32(2, length);
  let at = packetHeaderBytes;
  for (const part of body) {
    packet.set(part, at);
    at += part.length;
  }
  return packet;
}

/** Of what `writePacket` puts in front of a body. */
export const packetHeaderBytes = 6;

function frame(bytes: Uint8Array, at: number): FramedPacket | undefined {
  const first = bytes[at] ?? 0;
  if ((first & 0x80) === 0) return undefined;
  const old = (first & 0x40) === 0;
  const type = old ? (first >> 2) & 0x0f : first & 0x3f;
  if (old && (first & 0x03) === 3)
    return { type, body: bytes.subarray(at + 1), length: 'indeterminate', end: bytes.length };
  const chunk = old ? integer(bytes, at + 1, 2 ** (first & 0x03)) : newLength(bytes, at + 1);
  if (chunk === undefined) return undefined;
  if (chunk.last)
    return { type, body: bytes.subarray(chunk.start, chunk.end), length: 'definite', end: chunk.end };
  // Twice over the chunks instead of a list of them: there may be as many as bytes.
  const whole = measure(bytes, chunk);
  return whole === undefined
    ? undefined
    : { type, body: gather(bytes, chunk, whole.size), length: 'partial', end: whole.end };
}

/** A part of a body, or all of it. */
interface Chunk {
  readonly start: number;
  readonly end: number;
  readonly last: boolean;
}

function measure(bytes: Uint8Array, first: Chunk): { size: number; end: number } | undefined {
  let size = 0;
  for (let chunk: Chunk | undefined = first; chunk !== undefined; chunk = newLength(bytes, chunk.end)) {
    size += chunk.end - chunk.start;
    if (chunk.last) return { size, end: chunk.end };
  }
  return undefined;
}

function gather(bytes: Uint8Array, first: Chunk, size: number): Uint8Array {
  const body = new Uint8Array(size);
  let to = 0;
  for (let chunk: Chunk | undefined = first; chunk !== undefined; chunk = newLength(bytes, chunk.end)) {
    body.set(bytes.subarray(chunk.start, chunk.end), to);
    to += chunk.end - chunk.start;
    if (chunk.last) break;
  }
  return body;
}

function newLength(bytes: Uint8Array, at: number): Chunk | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 192) return within(bytes, at + 1, first);
  if (first < 224) {
    const second = bytes[at + 1];
    return second === undefined ? undefined : within(bytes, at + 2, ((first - 192) << 8) + second + 192);
  }
  return first < 255 ? within(bytes, at + 1, 2 ** (first & 0x1f), false) : integer(bytes, at + 1, 4);
}

function integer(bytes: Uint8Array, at: number, width: number): Chunk | undefined {
  if (at + width > bytes.length) return undefined;
  const value = bytes.subarray(at, at + width).reduce((sum, byte) => sum * 256 + byte, 0);
  return within(bytes, at + width, value);
}

function within(bytes: Uint8Array, start: number, size: number, last = true): Chunk | undefined {
  return start + size > bytes.length ? undefined : { start, end: start + size, last };
}
