import { type Message, openCarriage } from '@postern/mail';
import { keyEpochsHeld } from '@postern/protocol/consensus';
import { packetEpoch } from '@postern/protocol/packet';
import type { Clock } from '@postern/runtime';
import type { Outcome } from '../counters.ts';
import type { Next, Relay, Token } from '../spool.ts';
import type { Topology } from '../topology.ts';

export interface ReadContext {
  readonly clock: Clock;
  readonly topology: Pick<Topology, 'valid' | 'mixNamed'>;
  /** The authors' domain, whose gateway this is. */
  readonly domain: string;
  readonly suite: number;
  readonly packetBytes: number;
  readonly epochSeconds: number;
  /** How long a unit is kept that cannot be handed over. */
  readonly expiryMs: number;
}

export type ReadSubmission =
  | { readonly kind: 'submission'; readonly relay: Relay; readonly token: Token }
  | {
      readonly kind: Extract<
        Outcome<'submitted'>,
        'malformed' | 'wrong-kind' | 'no-mix' | 'no-consensus' | 'expired'
      >;
    };

/** What an author's message asks for (spec submission 2). */
export function read(message: Pick<Message, 'bytes' | 'recipient'>, context: ReadContext): ReadSubmission {
  const carriage = openCarriage(message.bytes, context.packetBytes);
  if (carriage.kind !== 'carriage') return { kind: 'malformed' };
  const { bytes, fromDomain, toDomain, tlsOptional, id: token } = carriage;
  if (fromDomain !== context.domain || message.recipient !== `secure@${toDomain}`)
    return { kind: 'malformed' };

  const now = context.clock.now();
  const relay = { bytes, dueMs: now, expiresMs: now + context.expiryMs };
  if (bytes[0] === envelopeUnit) {
    const next: Next = { kind: 'domain', domain: toDomain, own: true, ...(tlsOptional && { tlsOptional }) };
    return { kind: 'submission', token, relay: { ...relay, next } };
  }
  if (bytes[0] !== context.suite) return { kind: 'wrong-kind' };
  const next = mixNamed(toDomain, context);
  if (next.kind !== 'node') return next;
  // Past that time the mix's key is gone: what cannot be opened need not be carried.
  const opensUntilMs = keysEndMs(bytes, context);
  if (opensUntilMs <= now) return { kind: 'expired' };
  const expiresMs = Math.min(relay.expiresMs, opensUntilMs);
  return { kind: 'submission', token, relay: { ...relay, expiresMs, next } };
}

/** A packet goes to who the consensus says has that name, and to nobody else. */
function mixNamed(
  name: string,
  { topology, clock }: ReadContext,
): Extract<Next, { kind: 'node' }> | { readonly kind: 'no-mix' | 'no-consensus' } {
  const mix = topology.mixNamed(name);
  if (mix.kind === 'mix') return { kind: 'node', id: mix.id };
  if (mix.kind === 'no-consensus') return { kind: 'no-consensus' };
  // A past epoch's consensus does not know who has become a mix since; the author's program may.
  const fresh = clock.now() < (topology.valid()?.consensus.freshUntil ?? 0) * 1_000;
  return { kind: fresh ? 'no-mix' : 'no-consensus' };
}

function keysEndMs(packet: Uint8Array, { epochSeconds }: ReadContext): number {
  return ((packetEpoch(packet) ?? 0) + keyEpochsHeld + 1) * epochSeconds * 1_000;
}

/** Spec packet 10. */
const envelopeUnit = 0x81;
