import { ByteReader, ByteWriter } from '../codec/bytes.ts';
import { isDomain, mostDomainBytes } from './domain.ts';

/** What one hop is told, inside its header layer. */
export type Routing =
  | { readonly kind: 'relay'; readonly delayMs: number; readonly nextNode: Uint8Array }
  | { readonly kind: 'exit'; readonly delayMs: number; readonly domain: string }
  | {
      readonly kind: 'reply';
      readonly delayMs: number;
      readonly surbId: Uint8Array;
      readonly domain: string;
    };

/** Why a block that opened is refused. */
export type RoutingFault = 'bad-command' | 'bad-reserved' | 'bad-domain';

export const nodeIdBytes = 32;
export const surbIdBytes = 16;
/** Delays are counted in 32 bits of milliseconds. */
export const mostDelayMs: number = 2 ** 32 - 1;

// spec packet 5.1
/** The fields end here; the rest of a routing block is reserved. */
export const leastRoutingBytes: number = 1 + 4 + nodeIdBytes + surbIdBytes + 1 + mostDomainBytes;

const commands = { relay: 0x01, exit: 0x02, reply: 0x03 } as const;

// spec packet 5.1
export function encodeRouting(routing: Routing, routingBytes: number): Uint8Array {
  const domain = new TextEncoder().encode(routing.kind === 'relay' ? '' : routing.domain);
  return new ByteWriter()
    .u8(commands[routing.kind])
    .u32(routing.delayMs)
    .bytes(routing.kind === 'relay' ? routing.nextNode : new Uint8Array(nodeIdBytes))
    .bytes(routing.kind === 'reply' ? routing.surbId : new Uint8Array(surbIdBytes))
    .vector8(domain)
    .zeros(routingBytes - leastRoutingBytes + mostDomainBytes - domain.length)
    .finish();
}

// spec packet 5.2
/** Strict: accepts what `encodeRouting` makes and nothing else. `last`: this is the last hop of its path. */
export function decodeRouting(block: Uint8Array, last: boolean): Routing | RoutingFault {
  const reader = new ByteReader(block);
  const command = reader.u8();
  const delayMs = reader.u32();
  const nextNode = reader.bytes(nodeIdBytes);
  const surbId = reader.bytes(surbIdBytes);
  const domainBytes = reader.u8();
  if (domainBytes > mostDomainBytes) return 'bad-domain';
  const domain = String.fromCharCode(...reader.bytes(domainBytes));
  const reserved = reader.rest();

  const known = last ? command === commands.exit || command === commands.reply : command === commands.relay;
  if (!known) return 'bad-command';
  if (!isZero(reserved)) return 'bad-reserved';
  if (command === commands.relay)
    return isZero(surbId) && domainBytes === 0
      ? { kind: 'relay', delayMs, nextNode: nextNode.slice() }
      : 'bad-reserved';
  if (!isZero(nextNode)) return 'bad-reserved';
  if (!isDomain(domain)) return 'bad-domain';
  if (command === commands.reply) return { kind: 'reply', delayMs, surbId: surbId.slice(), domain };
  return isZero(surbId) ? { kind: 'exit', delayMs, domain } : 'bad-reserved';
}

export function isZero(bytes: Uint8Array): boolean {
  let all = 0;
  for (const byte of bytes) all |= byte;
  return all === 0;
}
