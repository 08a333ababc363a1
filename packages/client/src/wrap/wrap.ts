import { type Fragment, fragmentCapacity, sealEnvelope, split } from '@postern/protocol/envelope';
import { encodeEnvelopeUnit, type Geometry } from '@postern/protocol/packet';
import type { Clock, Random } from '@postern/runtime';
import type { Addressee, Mixing, Returning, WrappedPacket } from '../message.ts';
import type { ReturnTicket } from '../returns/index.ts';
import { type LayerOptions, packetTo } from './layers.ts';
import { type DrawnTicket, drawTicket } from './ticket.ts';

export interface WrapOptions {
  readonly geometry: Geometry;
  /** Absent when nothing goes through mixes. */
  readonly mixing: (Mixing & Pick<LayerOptions, 'strategy'>) | undefined;
  /** Absent when no gateway of the author's own is on the way: nobody is reported to. */
  readonly returning: Returning | undefined;
  /** How long the message may be on its way, milliseconds. */
  readonly expiryMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** A sealed message ready to be wrapped: how many packets it takes, and the packets, one at a time. */
export interface Wrapping {
  readonly packets: number;
  /** By what a report of it is known and opened; to be kept before any of it leaves. */
  readonly ticket: ReturnTicket | undefined;
  /** Whether the recipient's gateway can report. */
  readonly reports: boolean;
  /** Each made when it is asked for: a long message never lies in memory as packets. */
  make(): AsyncGenerator<WrappedPacket>;
}

/**
 * Splits a sealed message into fragments; each becomes one envelope to the domain, and that one packet on a path of its own, or in direct
 * mode one unit.
 */
export async function wrap(
  sealed: Uint8Array,
  addressee: Addressee,
  options: WrapOptions,
): Promise<Wrapping> {
  const { geometry, mixing, random, clock, expiryMs } = options;
  const { mailbox, domain, gateway, travel } = addressee;
  const size = geometry.payloadBytes;
  const expires = Math.ceil((clock.now() + expiryMs) / 3_600_000) * 3600;
  const layers = mixing && { ...mixing, random };
  const now = clock.now() / 1_000;
  const drawn =
    options.returning &&
    drawTicket(options.returning, travel.mode, { geometry, layers, expires, now, random });
  const returnInfo = drawn?.info ?? new Uint8Array();
  const fragments = split(sealed, {
    recipient: mailbox,
    setId: random.bytes(16),
    expires,
    // All are equally long (spec envelope 3.1), so that the room of the one that has it counts for all.
    capacity: await fragmentCapacity(gateway, mailbox, size, { returnInfo }),
    returnInfo,
  });
  const token = drawn?.ticket.token;
  return {
    packets: fragments.length,
    ticket: drawn?.ticket,
    reports: drawn !== undefined && drawn.kind !== 'none',
    async *make() {
      for (const fragment of fragments) {
        const envelope = await sealEnvelope(singleUse(fragment, drawn), gateway, size);
        if (travel.mode === 'mix') {
          if (layers === undefined) throw new TypeError('a packet without a path');
          yield packetTo(domain, envelope, token, layers);
        } else {
          const bytes = encodeEnvelopeUnit(geometry, envelope, random);
          const next = { kind: 'domain', domain, tlsOptional: travel.tlsOptional } as const;
          yield { packet: { bytes, next, ...(token === undefined ? {} : { token }), expires } };
        }
      }
    },
  };
}

/** A reply block works once: one fragment has it. The other kind may be in all, whichever arrive. */
function singleUse(fragment: Fragment, drawn: DrawnTicket | undefined): Fragment {
  return drawn?.kind === 'surb' && fragment.index > 0
    ? { ...fragment, returnInfo: new Uint8Array() }
    : fragment;
}
