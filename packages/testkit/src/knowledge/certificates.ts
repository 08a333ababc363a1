import { hash } from 'node:crypto';

/**
 * Key ids of every key and subkey in a certificate of OpenPGP version 4 (RFC 9580 section 5.5.4.2), 8 bytes each; armored or binary.
 */
export function keyIdsIn(certificate: Uint8Array): Uint8Array[] {
  return packetsIn(dearmored(Buffer.from(certificate)))
    .filter(({ tag, body }) => (tag === publicKey || tag === publicSubkey) && body[0] === 4)
    .map(({ body }) => {
      const head = Buffer.from([0x99, body.length >> 8, body.length & 0xff]);
      return hash('sha1', Buffer.concat([head, body]), 'buffer').subarray(-8);
    });
}

const publicKey = 6;
const publicSubkey = 14;

function dearmored(certificate: Buffer): Buffer {
  const text = certificate.toString('latin1');
  const armored =
    /^-----BEGIN [^\r\n]*-----\r?\n(?:[^\r\n]+\r?\n)*\r?\n([A-Za-z0-9+/=\r\n]+?)(?:\r?\n=[^\r\n]{4})?\r?\n-----END/m;
  const body = armored.exec(text)?.[1];
  return body === undefined ? certificate : Buffer.from(body, 'base64');
}

interface Packet {
  readonly tag: number;
  readonly body: Buffer;
}

/** Packets with a definite length (RFC 9580 section 4.2): keys have no other. */
function packetsIn(data: Buffer): Packet[] {
  const packets: Packet[] = [];
  for (let at = 0; at < data.length; ) {
    const first = data[at] ?? 0;
    const { headerBytes, length } =
      (first & 0x40) === 0 ? oldHeader(data, at, first & 3) : newHeader(data, at);
    const tag = (first & 0x40) === 0 ? (first >> 2) & 0x0f : first & 0x3f;
    const start = at + headerBytes;
    if (start + length > data.length) throw new RangeError('the certificate is cut');
    packets.push({ tag, body: data.subarray(start, start + length) });
    at = start + length;
  }
  return packets;
}

function oldHeader(data: Buffer, at: number, lengthType: number): { headerBytes: number; length: number } {
  const bytes = [1, 2, 4][lengthType];
  if (bytes === undefined) throw new RangeError('a packet has no length');
  return { headerBytes: 1 + bytes, length: data.readUIntBE(at + 1, bytes) };
}

function newHeader(data: Buffer, at: number): { headerBytes: number; length: number } {
  const first = data.readUInt8(at + 1);
  if (first < 192) return { headerBytes: 2, length: first };
  if (first < 224) return { headerBytes: 3, length: ((first - 192) << 8) + data.readUInt8(at + 2) + 192 };
  if (first === 255) return { headerBytes: 6, length: data.readUInt32BE(at + 2) };
  throw new RangeError('a packet comes in parts');
}
