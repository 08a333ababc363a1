import { encodeHex } from '../codec/hex.ts';
import { ProtocolError } from '../errors.ts';
import { type Geometry, geometry, geometryDigest } from '../packet/index.ts';
import type { ConsensusGeometry } from './documents.ts';

/** What a document says of a geometry. */
export function writeGeometry(g: Geometry): ConsensusGeometry {
  const { suite, hops, routingBytes, packetBytes } = g;
  return { suite, hops, routingBytes, packetBytes, digest: encodeHex(geometryDigest(g)) };
}

/** The geometry that a document means; undefined when it is unknown here, or derives to something else here. */
export function readGeometry({ digest, ...given }: ConsensusGeometry): Geometry | undefined {
  let derived: Geometry;
  try {
    derived = geometry(given);
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    return undefined;
  }
  return encodeHex(geometryDigest(derived)) === digest ? derived : undefined;
}
