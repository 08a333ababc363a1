import { ByteWriter } from '../codec/bytes.ts';
import { ProtocolError } from '../errors.ts';
import {
  type HpkeSetting,
  hpkeSetting,
  loadXWing,
  type Random,
  systemRandom,
  type XWingKey,
  xwingSeedBytes,
} from '../primitives/index.ts';
import { type Geometry, geometryDigest } from './geometry.ts';
import { nodeIdBytes } from './routing.ts';
import { suiteOf } from './suite.ts';

/** A mix's private key of one epoch, ready to peel: made by `loadMixKey`, opaque to everyone else. */
export interface MixKey {
  readonly geometry: Geometry;
  readonly epoch: number;
  readonly xwing: XWingKey;
  /** The hashed `info` of each layer, the first layer's first. */
  readonly settings: readonly HpkeSetting[];
}

/** A fresh key pair: the seed (32 bytes) is the private key, the public key (1,216 bytes) is published. */
export function generateMixKey(random: Random = systemRandom): { seed: Uint8Array; publicKey: Uint8Array } {
  const seed = random.bytes(xwingSeedBytes);
  return { seed, publicKey: loadXWing(seed).publicKey };
}

/**
 * Parses a private key and hashes what every packet of the epoch has in common.
 * @param nodeId 32 bytes
 * @throws ProtocolError `wrong-key` when a length is wrong or the epoch is no unsigned 32-bit integer
 */
export function loadMixKey(seed: Uint8Array, nodeId: Uint8Array, epoch: number, g: Geometry): MixKey {
  if (seed.length !== xwingSeedBytes || nodeId.length !== nodeIdBytes || !isEpoch(epoch))
    throw new ProtocolError(
      'wrong-key',
      'a mix key is a seed and a node id of 32 bytes each, and a 32-bit epoch',
    );
  const layers = Array.from({ length: g.hops }, (_, i) => i + 1);
  const settings = layers.map((layer) => layerSetting(g, epoch, layer, nodeId));
  return { geometry: g, epoch, xwing: loadXWing(seed), settings };
}

// spec packet 5.3
/** The HPKE setting of one header layer, which no other layer, node, epoch or geometry shares. */
export function layerSetting(g: Geometry, epoch: number, layer: number, nodeId: Uint8Array): HpkeSetting {
  const info = new ByteWriter()
    .bytes(new TextEncoder().encode('postern packet v1'))
    .u8(g.suite)
    .bytes(geometryDigest(g))
    .u32(epoch)
    .u8(layer)
    .bytes(nodeId)
    .finish();
  return hpkeSetting(suiteOf(g).aead, info);
}

export function isEpoch(epoch: number): boolean {
  return Number.isInteger(epoch) && epoch >= 0 && epoch < 2 ** 32;
}
