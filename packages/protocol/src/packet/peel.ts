import { ByteReader, concat } from '../codec/bytes.ts';
import { ProtocolError } from '../errors.ts';
import {
  type HpkeRecipient,
  type Random,
  setupRecipient,
  systemRandom,
  xwingCiphertextBytes,
} from '../primitives/index.ts';
import { decryptBody, join, payloadOf } from './body.ts';
import { type Geometry, prefixBytes, sameGeometry } from './geometry.ts';
import { encodePrefix } from './header.ts';
import { bodyKey, replayTag } from './layer.ts';
import type { MixKey } from './mixkey.ts';
import { decodeRouting, type Routing, type RoutingFault } from './routing.ts';
import { encodeEnvelopeUnit, encodeReplyUnit } from './unit.ts';

/** What a mix learns from one packet. */
export type Peeled =
  | {
      readonly kind: 'relay';
      readonly replayTag: Uint8Array;
      readonly nextNode: Uint8Array;
      readonly delayMs: number;
      readonly packet: Uint8Array;
    }
  | {
      readonly kind: 'exit';
      readonly replayTag: Uint8Array;
      readonly domain: string;
      readonly delayMs: number;
      /** Exactly `packetBytes`: kind byte, content, fresh random fill. */
      readonly unit: Uint8Array;
    }
  | { readonly kind: 'refused'; readonly reason: RefusedReason };

/** Why a packet is refused, in the order in which the checks come. */
export type RefusedReason =
  | 'wrong-length'
  | 'wrong-suite'
  | 'wrong-epoch'
  | 'wrong-layer'
  /** The layer is not this node's, or was changed. */
  | 'bad-header'
  | RoutingFault
  /** The body of a forward packet was changed on its way. */
  | 'bad-body';

// spec packet 8
/**
 * Takes one layer off. Forward packets and replies go through it alike, and no input makes it throw.
 * @param key for the same geometry: loaded for another it is a fault of the caller
 * @param random for the fill behind what is passed on
 * @throws ProtocolError `wrong-geometry` when the key is for another geometry
 */
export function peel(g: Geometry, key: MixKey, packet: Uint8Array, random: Random = systemRandom): Peeled {
  if (!sameGeometry(g, key.geometry))
    throw new ProtocolError('wrong-geometry', 'the mix key is loaded for another geometry');
  const outer = split(g, key, packet);
  if (typeof outer === 'string') return refused(outer);
  const opened = openLayer(g, key, outer);
  if (typeof opened === 'string') return refused(opened);
  const { context, routing } = opened;
  const tag = replayTag(context);
  const body = decryptBody(g, bodyKey(context), outer.body);

  switch (routing.kind) {
    case 'relay': {
      const { nextNode, delayMs } = routing;
      const prefix = encodePrefix(g.suite, key.epoch, outer.layer + 1);
      const fill = random.bytes(g.headerBytes - opened.inner.length);
      const relayed = concat(prefix, opened.inner, fill, body.left, body.right);
      return { kind: 'relay', replayTag: tag, nextNode, delayMs, packet: relayed };
    }
    case 'exit': {
      const { domain, delayMs } = routing;
      const payload = payloadOf(body);
      if (payload === undefined) return refused('bad-body');
      return { kind: 'exit', replayTag: tag, domain, delayMs, unit: encodeEnvelopeUnit(g, payload, random) };
    }
    case 'reply': {
      const { domain, delayMs, surbId } = routing;
      const unit = encodeReplyUnit(g, surbId, join(body), random);
      return { kind: 'exit', replayTag: tag, domain, delayMs, unit };
    }
  }
}

/** The epoch that a packet claims, for choosing the key; undefined when it is too short to claim one. */
export function packetEpoch(packet: Uint8Array): number | undefined {
  if (packet.length < prefixBytes) return undefined;
  return new ByteReader(packet.subarray(1)).u32();
}

interface Outer {
  readonly layer: number;
  readonly enc: Uint8Array;
  readonly sealed: Uint8Array;
  readonly body: Uint8Array;
}

// spec packet 8, steps 1 to 5
function split(g: Geometry, key: MixKey, packet: Uint8Array): Outer | RefusedReason {
  if (packet.length !== g.packetBytes) return 'wrong-length';
  const reader = new ByteReader(packet);
  if (reader.u8() !== g.suite) return 'wrong-suite';
  if (reader.u32() !== key.epoch) return 'wrong-epoch';
  const layer = reader.u8();
  if (layer < 1 || layer > g.hops) return 'wrong-layer';
  const area = reader.bytes(g.headerBytes);
  const live = area.subarray(0, (g.hops - layer + 1) * g.layerBytes);
  const enc = live.subarray(0, xwingCiphertextBytes);
  return { layer, enc, sealed: live.subarray(xwingCiphertextBytes), body: reader.rest() };
}

interface Opened {
  readonly context: HpkeRecipient;
  readonly routing: Routing;
  /** The next hop's header; empty at the last. */
  readonly inner: Uint8Array;
}

// spec packet 8, steps 6 and 7
function openLayer(g: Geometry, key: MixKey, { layer, enc, sealed }: Outer): Opened | RefusedReason {
  const setting = key.settings[layer - 1];
  if (setting === undefined) return 'wrong-layer';
  const context = setupRecipient(setting, key.xwing, enc);
  const plain = context?.open(sealed);
  if (context === undefined || plain === undefined) return 'bad-header';
  const routing = decodeRouting(plain.subarray(0, g.routingBytes), layer === g.hops);
  if (typeof routing === 'string') return routing;
  return { context, routing, inner: plain.subarray(g.routingBytes) };
}

function refused(reason: RefusedReason): Peeled {
  return { kind: 'refused', reason };
}
