/*
 * How OpenPGP packets lie one behind the other (RFC 9580 section 4.2), read without interpreting one: what is said here is known before
 * a library spends anything on the bodies.
 */

export interface FramedPacket {
  /** RFC 9580 section 5: the packet type ID. */
  readonly type: number;
  /** The first `length` bytes of the body: all of it, or its first chunk when it comes in partial lengths. */
  readonly body: Uint8Array;
  readonly partial: boolean;
}

/** RFC 9580 table 3, as far as this package meets them. */
export const packetTypes = {
  publicKeyEncryptedSessionKey: 1,
  passwordEncryptedSessionKey: 3,
  secretKey: 5,
  publicKey: 6,
  secretSubkey: 7,
  symmetricallyEncrypted: 9,
  literalData: 11,
  userId: 13,
  encryptedIntegrityProtected: 18,
  padding: 21,
} as const;

/**
 * The packets of a sequence, views into `bytes`; undefined when they are more than `most`, when one ends past the end, and for the
 * indeterminate lengths of old (RFC 9580 section 4.2.2), whose end nothing tells.
 */
export function framePackets(bytes: Uint8Array, most: number): FramedPacket[] | undefined {
  const packets: FramedPacket[] = [];
  for (let at = 0; at < bytes.length; ) {
    const framed = packets.length < most ? frame(bytes, at) : undefined;
    if (framed === undefined) return undefined;
    packets.push(framed.packet);
    at = framed.end;
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

function frame(bytes: Uint8Array, at: number): { packet: FramedPacket; end: number } | undefined {
  const first = bytes[at] ?? 0;
  if ((first & 0x80) === 0) return undefined;
  const length = (first & 0x40) === 0 ? oldLength(bytes, at) : newLength(bytes, at + 1);
  if (length === undefined || length.bodyAt + length.bytes > bytes.length) return undefined;
  const body = bytes.subarray(length.bodyAt, length.bodyAt + length.bytes);
  const end = length.partial ? endOfPartial(bytes, length) : length.bodyAt + length.bytes;
  if (end === undefined) return undefined;
  const type = (first & 0x40) === 0 ? (first >> 2) & 0x0f : first & 0x3f;
  return { packet: { type, body, partial: length.partial }, end };
}

interface Length {
  readonly bytes: number;
  readonly bodyAt: number;
  readonly partial: boolean;
}

function endOfPartial(bytes: Uint8Array, first: Length): number | undefined {
  for (let length = first; ; ) {
    const end = length.bodyAt + length.bytes;
    if (end > bytes.length) return undefined;
    if (!length.partial) return end;
    const next = newLength(bytes, end);
    if (next === undefined) return undefined;
    length = next;
  }
}

function newLength(bytes: Uint8Array, at: number): Length | undefined {
  const first = bytes[at];
  if (first === undefined) return undefined;
  if (first < 192) return { bytes: first, bodyAt: at + 1, partial: false };
  if (first < 224) {
    const second = bytes[at + 1];
    if (second === undefined) return undefined;
    return { bytes: ((first - 192) << 8) + second + 192, bodyAt: at + 2, partial: false };
  }
  if (first < 255) return { bytes: 2 ** (first & 0x1f), bodyAt: at + 1, partial: true };
  return integer(bytes, at + 1, 4);
}

function oldLength(bytes: Uint8Array, at: number): Length | undefined {
  const code = (bytes[at] ?? 0) & 0x03;
  return code === 3 ? undefined : integer(bytes, at + 1, 2 ** code);
}

function integer(bytes: Uint8Array, at: number, width: number): Length | undefined {
  if (at + width > bytes.length) return undefined;
  const value = bytes.subarray(at, at + width).reduce((sum, byte) => sum * 256 + byte, 0);
  return { bytes: value, bodyAt: at + width, partial: false };
}
