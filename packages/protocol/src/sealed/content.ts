import { type FramedPacket, framePackets, packetTypes } from '../codec/openpgp.ts';
import { type CompressedFormat, type Inflated, inflate } from './inflate.ts';
import { maxSignatures } from './limits.ts';

export type Content =
  | {
      readonly kind: 'content';
      /** The one literal's data: what was signed, if it was. */
      readonly literal: Uint8Array;
      /** One-pass signatures, literal, signatures; or the literal alone. */
      readonly packets: Uint8Array;
    }
  | { readonly kind: 'refused'; readonly reason: ContentRefusedReason };

export type ContentRefusedReason =
  /** Not one literal, signed as a whole or not at all. */
  | 'malformed-content'
  /** Compressed by other means than ZIP and ZLIB, broken, or in more blocks than what it holds needs. */
  | 'malformed-compression'
  | 'too-large';

// spec sealed 6.2
/**
 * What was encrypted, out of its compression, when it is what a message may be: one literal, and around it the signatures of the whole. Gives
 * up as soon as decompression goes over `mostBytes`.
 */
export function readContent(content: Uint8Array, mostBytes: number): Content {
  const packets = meaningful(content);
  const [compressed] = packets ?? [];
  if (packets?.length !== 1 || compressed?.type !== packetTypes.compressedData)
    return shapeOf(content, packets);
  const inflated = decompress(compressed.body, mostBytes);
  return inflated instanceof Uint8Array
    ? shapeOf(inflated, meaningful(inflated))
    : { kind: 'refused', reason: inflated };
}

function shapeOf(bytes: Uint8Array, packets: readonly FramedPacket[] | undefined): Content {
  const at = packets?.findIndex(({ type }) => type === packetTypes.literalData) ?? -1;
  const literal = packets?.[at];
  const data = literal === undefined ? undefined : literalData(literal.body);
  if (packets === undefined || data === undefined || !isSignedWhole(packets, at))
    return { kind: 'refused', reason: 'malformed-content' };
  return { kind: 'content', literal: data, packets: bytes };
}

/** RFC 9580 section 10.3: each one-pass signature has its signature behind the literal; older programs put signatures in front. */
function isSignedWhole(packets: readonly FramedPacket[], literalAt: number): boolean {
  const before = packets.slice(0, literalAt);
  const behind = packets.slice(literalAt + 1);
  if (before.length > maxSignatures || !behind.every(({ type }) => type === packetTypes.signature))
    return false;
  return behind.length === 0
    ? before.every(({ type }) => type === packetTypes.signature)
    : before.length === behind.length && before.every(({ type }) => type === packetTypes.onePassSignature);
}

/** Without padding and markers, which say nothing; undefined when there are too many packets to be a message. */
function meaningful(bytes: Uint8Array): FramedPacket[] | undefined {
  const silent: readonly number[] = [packetTypes.padding, packetTypes.marker];
  return framePackets(bytes, mostPackets)?.filter(({ type }) => !silent.includes(type));
}

/** With room for some that say nothing. */
export const mostPackets: number = 2 * maxSignatures + 16;

/** RFC 9580 section 5.9: format, file name, date, data. */
function literalData(body: Uint8Array): Uint8Array | undefined {
  const dataAt = 1 + 1 + (body[1] ?? 0) + 4;
  return dataAt > body.length ? undefined : body.subarray(dataAt);
}

function decompress(body: Uint8Array, mostBytes: number): Inflated {
  const format = formats[body[0] ?? 0];
  return format === undefined ? 'malformed-compression' : inflate(body.subarray(1), format, mostBytes);
}

/** RFC 9580 section 9.4: ZIP and ZLIB. BZip2 is in none of the libraries here. */
const formats: Readonly<Record<number, CompressedFormat>> = { 1: 'deflate', 2: 'zlib' };
