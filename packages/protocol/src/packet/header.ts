import { ByteWriter, concat } from '../codec/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { type Random, setupSender } from '../primitives/index.ts';
import { isDomain } from './domain.ts';
import type { Geometry } from './geometry.ts';
import { bodyKey } from './layer.ts';
import { isEpoch, layerSetting } from './mixkey.ts';
import { encodeRouting, mostDelayMs, nodeIdBytes, type Routing } from './routing.ts';

/** One mix on a path. */
export interface Hop {
  /** 32 bytes. */
  readonly nodeId: Uint8Array;
  /** The mix's X-Wing public key of the epoch, 1,216 bytes. */
  readonly mixKey: Uint8Array;
  /** How long the mix holds the packet; 0 to 2^32 - 1. */
  readonly delayMs: number;
}

/** What the last hop does. */
export type Exit =
  | { readonly kind: 'exit'; readonly domain: string }
  | { readonly kind: 'reply'; readonly domain: string; readonly surbId: Uint8Array };

export interface Header {
  /** Prefix and header area of a packet for the first hop. */
  readonly header: Uint8Array;
  /** The body key of each hop, the first hop's first. */
  readonly bodyKeys: readonly Uint8Array[];
}

// spec packet 7
export function buildHeader(
  g: Geometry,
  epoch: number,
  path: readonly Hop[],
  exit: Exit,
  random: Random,
): Header {
  requirePath(g, epoch, path, exit);
  const bodyKeys: Uint8Array[] = [];
  let inner: Uint8Array = new Uint8Array(0);
  for (const [index, hop] of [...path.entries()].reverse()) {
    const sender = setupSender(layerSetting(g, epoch, index + 1, hop.nodeId), hop.mixKey, random);
    if (sender === undefined)
      throw new ProtocolError('wrong-key', `the mix key of hop ${index + 1} is no X-Wing public key`);
    const routing = encodeRouting(routingOf(hop, path[index + 1], exit), g.routingBytes);
    inner = concat(sender.enc, sender.seal(concat(routing, inner)));
    bodyKeys.unshift(bodyKey(sender));
  }
  return { header: concat(encodePrefix(g.suite, epoch, 1), inner), bodyKeys };
}

// spec packet 2
export function encodePrefix(suite: number, epoch: number, layer: number): Uint8Array {
  return new ByteWriter().u8(suite).u32(epoch).u8(layer).finish();
}

function routingOf({ delayMs }: Hop, next: Hop | undefined, exit: Exit): Routing {
  return next === undefined ? { ...exit, delayMs } : { kind: 'relay', delayMs, nextNode: next.nodeId };
}

function requirePath(g: Geometry, epoch: number, path: readonly Hop[], exit: Exit): void {
  if (path.length !== g.hops)
    throw new ProtocolError('wrong-path', `a path has ${g.hops} hops, this one has ${path.length}`);
  if (!isEpoch(epoch)) throw new ProtocolError('wrong-path', 'an epoch is an unsigned 32-bit integer');
  for (const { nodeId, delayMs } of path) {
    if (nodeId.length !== nodeIdBytes)
      throw new ProtocolError('wrong-path', `a node id has ${nodeIdBytes} bytes`);
    if (!Number.isInteger(delayMs) || delayMs < 0 || delayMs > mostDelayMs)
      throw new ProtocolError('wrong-path', `a delay is an integer from 0 to ${mostDelayMs} ms`);
  }
  if (!isDomain(exit.domain))
    throw new ProtocolError('wrong-domain', 'the exit is no domain name in lower case', {
      hint: 'an internationalised name is written in its xn-- form',
    });
}
