import { concat, decodeBytes } from '../codec/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { lionessKeyBytes, type Random, systemRandom } from '../primitives/index.ts';
import { decryptBody, encryptBody, payloadOf, plainBody } from './body.ts';
import { requirePayload } from './build.ts';
import { type Geometry, prefixBytes } from './geometry.ts';
import { buildHeader, type Hop } from './header.ts';
import { nodeIdBytes, surbIdBytes } from './routing.ts';

export interface Surb {
  /** For whoever shall reply, once. */
  readonly surb: Uint8Array;
  /** 16 bytes by which the reply is known again. */
  readonly id: Uint8Array;
  /** Kept by the creator, for `openReply`. */
  readonly secrets: Uint8Array;
}

export type Reply =
  | { readonly kind: 'reply'; readonly payload: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: ReplyRefusedReason };

export type ReplyRefusedReason = 'wrong-length' | 'bad-body';

// spec packet 9.1
/**
 * A single-use reply block: a header whose last hop hands the body to `exit.domain`.
 * @throws ProtocolError `wrong-path`, `wrong-key`, `wrong-domain`
 */
export function createSurb(
  g: Geometry,
  epoch: number,
  path: readonly Hop[],
  exit: { readonly domain: string },
  random: Random = systemRandom,
): Surb {
  const id = random.bytes(surbIdBytes);
  const { header, bodyKeys } = buildHeader(
    g,
    epoch,
    path,
    { kind: 'reply', domain: exit.domain, surbId: id },
    random,
  );
  const firstKey = random.bytes(lionessKeyBytes);
  const firstNode = path[0]?.nodeId ?? new Uint8Array(nodeIdBytes);
  return { surb: concat(firstNode, header, firstKey), id, secrets: concat(firstKey, ...bodyKeys) };
}

/** Length of every SURB of a geometry. */
export function surbBytes(g: Geometry): number {
  return nodeIdBytes + prefixBytes + g.headerBytes + lionessKeyBytes;
}

// spec packet 9.2
/**
 * The reply, for the mix named `firstNode`. Each SURB makes one reply: the first mix drops a second as a replay.
 * @param payload exactly `payloadBytes`
 * @throws ProtocolError `wrong-length`, or `wrong-surb` when it is no SURB of this geometry
 */
export function useSurb(
  g: Geometry,
  surb: Uint8Array,
  payload: Uint8Array,
): { firstNode: Uint8Array; packet: Uint8Array } {
  requirePayload(g, payload);
  const parts = decodeBytes(surb, (reader) => ({
    firstNode: reader.bytes(nodeIdBytes).slice(),
    header: reader.bytes(prefixBytes + g.headerBytes),
    firstKey: reader.bytes(lionessKeyBytes),
  }));
  if (parts === undefined || parts.header[0] !== g.suite || parts.header[prefixBytes - 1] !== 1)
    throw new ProtocolError('wrong-surb', 'these bytes are no reply block of this geometry');
  const body = encryptBody(g, parts.firstKey, plainBody(payload));
  return { firstNode: parts.firstNode, packet: concat(parts.header, body) };
}

// spec packet 9.3
/**
 * What a reply says. No body makes it throw.
 * @throws ProtocolError `wrong-length` when `secrets` are not those of a SURB of this geometry
 */
export function openReply(g: Geometry, secrets: Uint8Array, body: Uint8Array): Reply {
  if (secrets.length !== (g.hops + 1) * lionessKeyBytes)
    throw new ProtocolError('wrong-length', 'the secrets are not those of a reply block of this geometry');
  if (body.length !== g.bodyBytes) return { kind: 'refused', reason: 'wrong-length' };
  const keys = Array.from({ length: g.hops + 1 }, (_, i) =>
    secrets.subarray(i * lionessKeyBytes, (i + 1) * lionessKeyBytes),
  );
  const [firstKey = new Uint8Array(lionessKeyBytes), ...bodyKeys] = keys;
  // Each mix decrypted with its key, the last one last: encrypting undoes that in reverse order.
  const sent = bodyKeys.reduceRight((inner, key) => encryptBody(g, key, inner), body);
  const payload = payloadOf(decryptBody(g, firstKey, sent));
  return payload === undefined ? { kind: 'refused', reason: 'bad-body' } : { kind: 'reply', payload };
}
