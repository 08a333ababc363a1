import { ByteReader, concat } from '../codec/bytes.ts';
import type { Random } from '../primitives/index.ts';
import type { Geometry } from './geometry.ts';
import { surbIdBytes } from './routing.ts';

/** What the last mix hands to a domain. */
export type Unit =
  /** `payloadBytes` of a forward packet. */
  | { readonly kind: 'envelope'; readonly envelope: Uint8Array }
  /** The body of a reply, for whoever keeps the secrets of that SURB. */
  | { readonly kind: 'reply'; readonly surbId: Uint8Array; readonly body: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: UnitRefusedReason };

export type UnitRefusedReason = 'wrong-length' | 'unknown-kind';

// spec packet 10
/** Ignores the fill. No input makes it throw. */
export function decodeUnit(g: Geometry, unit: Uint8Array): Unit {
  if (unit.length !== g.packetBytes) return { kind: 'refused', reason: 'wrong-length' };
  const reader = new ByteReader(unit);
  switch (reader.u8()) {
    case kinds.envelope:
      return { kind: 'envelope', envelope: reader.bytes(g.payloadBytes).slice() };
    case kinds.reply:
      return {
        kind: 'reply',
        surbId: reader.bytes(surbIdBytes).slice(),
        body: reader.bytes(g.bodyBytes).slice(),
      };
    default:
      return { kind: 'refused', reason: 'unknown-kind' };
  }
}

export function encodeEnvelopeUnit(g: Geometry, envelope: Uint8Array, random: Random): Uint8Array {
  return filled(g, random, Uint8Array.of(kinds.envelope), envelope);
}

export function encodeReplyUnit(
  g: Geometry,
  surbId: Uint8Array,
  body: Uint8Array,
  random: Random,
): Uint8Array {
  return filled(g, random, Uint8Array.of(kinds.reply), surbId, body);
}

/** No suite has these numbers: the first byte tells a unit from a packet. */
const kinds = { envelope: 0x81, reply: 0x82 } as const;

function filled(g: Geometry, random: Random, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return concat(...parts, random.bytes(g.packetBytes - length));
}
