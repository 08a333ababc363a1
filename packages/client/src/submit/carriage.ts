import { type CarriageParts, makeCarriage } from '@postern/mail';
import type { OutboxPacket } from '../outbox/index.ts';
import type { Hop } from './hop.ts';

// spec submission 2
/**
 * The carriage around a packet. Only the author's own gateway is shown the return token: it is the same for all packets of a message, and first
 * mixes that saw it would know them for one message's. From an account (spec carriage 6) none goes along either.
 */
export function carriageOf(
  { bytes, next, token }: OutboxPacket,
  { domain, author, account }: Pick<Hop, 'domain' | 'author' | 'account'>,
  how: Pick<CarriageParts, 'fromDomain' | 'now' | 'random'>,
): Uint8Array {
  return makeCarriage({
    ...how,
    toDomain: domain,
    bytes,
    ...(author === undefined || token === undefined || account ? {} : { id: token }),
    ...(author !== undefined && account ? { account: author } : {}),
    tlsOptional: next.kind === 'domain' && next.tlsOptional,
  });
}
