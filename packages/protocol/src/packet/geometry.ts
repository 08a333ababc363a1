import { ByteWriter } from '../codec/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { sha256, xwingCiphertextBytes } from '../primitives/index.ts';
import { leastRoutingBytes } from './routing.ts';
import { isSuite, tagBytes } from './suite.ts';

/** All sizes of a network's packets. Four are given, the rest follow from them. Bytes, except `suite` and `hops`. */
export interface Geometry {
  /** Byte that names the algorithms: spec packet 4. */
  readonly suite: number;
  /** Mixes on every path. */
  readonly hops: number;
  /** A routing block. */
  readonly routingBytes: number;
  /** What travels on every wire. */
  readonly packetBytes: number;
  /** One header layer: KEM ciphertext, sealed routing block, tag. */
  readonly layerBytes: number;
  /** The header area, the same at every hop. */
  readonly headerBytes: number;
  readonly bodyBytes: number;
  /** What a packet carries for its sender. */
  readonly payloadBytes: number;
}

/** In front of the header area: suite, epoch, layer. */
export const prefixBytes = 6;
/** Zero bytes in front of the payload, checked by whoever takes the last layer off the body. */
export const zeroBytes = 16;

// spec packet 3
/** @throws ProtocolError `wrong-geometry` */
export function geometry(given: {
  suite: number;
  hops: number;
  routingBytes: number;
  packetBytes: number;
}): Geometry {
  const { suite, hops, routingBytes, packetBytes } = given;
  const layerBytes = xwingCiphertextBytes + routingBytes + tagBytes;
  const headerBytes = hops * layerBytes;
  const bodyBytes = packetBytes - prefixBytes - headerBytes;
  const payloadBytes = bodyBytes - zeroBytes;
  const sound =
    isSuite(suite) &&
    isIntegerIn(hops, 1, 16) &&
    isIntegerIn(routingBytes, leastRoutingBytes, 4096) &&
    isIntegerIn(packetBytes, 1, 2 ** 24) &&
    payloadBytes >= leastPayloadBytes;
  if (!sound)
    throw new ProtocolError(
      'wrong-geometry',
      `no packet has suite ${suite}, ${hops} hops, routing blocks of ${routingBytes} bytes and ${packetBytes} bytes in all`,
      { hint: 'docs/spec/packet.md, section 3, gives the bounds of each number' },
    );
  return { suite, hops, routingBytes, packetBytes, layerBytes, headerBytes, bodyBytes, payloadBytes };
}

// spec packet 3
/** 32 bytes that stand for the four given numbers. */
export function geometryDigest({ suite, hops, routingBytes, packetBytes }: Geometry): Uint8Array {
  const encoded = new ByteWriter()
    .bytes(new TextEncoder().encode('postern geometry v1'))
    .u8(suite)
    .u8(hops)
    .u16(routingBytes)
    .u32(packetBytes);
  return sha256(encoded.finish());
}

export function sameGeometry(a: Geometry, b: Geometry): boolean {
  return (
    a === b ||
    (a.suite === b.suite &&
      a.hops === b.hops &&
      a.routingBytes === b.routingBytes &&
      a.packetBytes === b.packetBytes)
  );
}

/** Keeps the right part of a body's block longer than the left. */
const leastPayloadBytes = 64;

function isIntegerIn(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most;
}

/** Three hops of suite 1 in 32 KiB. */
export const defaultGeometry: Geometry = geometry({
  suite: 1,
  hops: 3,
  routingBytes: 320,
  packetBytes: 32_768,
});
