import { type CarriageParts, makeCarriage } from '@postern/mail';
import type { OutboxPacket } from '../outbox/index.ts';
import type { Hop } from './hop.ts';

// spec submission 2
/**
 * The carriage around a packet. Only the author's own gateway is shown the return token: it is the same for all packets of a message, and first
 * mixes that saw it would know them for one message's.
 */
export function carriageOf(
  { bytes, next, token }: OutboxPacket,
  { domain, author }: Pick<Hop, 'domain' | 'author'>,
  how: Pick<CarriageParts, 'fromDomain' | 'now' | 'random'>,
): Uint8Array {
  return makeCarriage({
    ...how,
    toDomain: domain,
    bytes,
    ...(author === undefined || token === undefined ? {} : { id: token }),
    tlsOptional: next.kind === 'domain' && next.tlsOptional,
  });
}
