import { fragmentCapacity, sealEnvelope, split } from '@postern/protocol/envelope';
import { buildPacket, type Hop } from '@postern/protocol/packet';
import type { RoutePlan } from '@postern/protocol/route';
import type { Strategy } from '@postern/protocol/strategy';
import type { Clock, Random } from '@postern/runtime';
import type { Addressee, Era, WrappedPacket } from '../message.ts';

export interface WrapOptions {
  readonly era: Era;
  readonly routes: RoutePlan;
  readonly strategy: Strategy;
  /** How long the message may be on its way, milliseconds. */
  readonly expiryMs: number;
  readonly clock: Clock;
  readonly random: Random;
}

/** A sealed message ready to be wrapped: how many packets it takes, and the packets, one at a time. */
export interface Wrapping {
  readonly packets: number;
  /** Each made when it is asked for: a long message never lies in memory as packets. */
  make(): AsyncGenerator<WrappedPacket>;
}

/** Splits a sealed message into fragments; each becomes one envelope to the domain, and that one packet on a path of its own. */
export async function wrap(
  sealed: Uint8Array,
  addressee: Addressee,
  options: WrapOptions,
): Promise<Wrapping> {
  const { era, random, clock, expiryMs } = options;
  const size = era.geometry.payloadBytes;
  const fragments = split(sealed, {
    recipient: addressee.mailbox,
    setId: random.bytes(16),
    expires: Math.ceil((clock.now() + expiryMs) / 3_600_000) * 3600,
    capacity: await fragmentCapacity(addressee.gateway, addressee.mailbox, size),
  });
  return {
    packets: fragments.length,
    async *make() {
      for (const fragment of fragments) {
        const envelope = await sealEnvelope(fragment, addressee.gateway, size);
        yield packetOf(envelope, addressee.domain, options);
      }
    },
  };
}

function packetOf(envelope: Uint8Array, domain: string, options: WrapOptions): WrappedPacket {
  const { era, routes, random } = options;
  const mixes = routes.choose(random);
  const delaysMs = delaysThatFit(mixes.length, options);
  const path = mixes.map(
    ({ id, mixKey }, layer): Hop => ({
      nodeId: new Uint8Array(Buffer.from(id, 'hex')),
      mixKey: new Uint8Array(Buffer.from(mixKey, 'base64')),
      delayMs: delaysMs[layer] ?? 0,
    }),
  );
  const bytes = buildPacket(era.geometry, era.epoch, path, { domain }, envelope, random);
  return {
    packet: {
      bytes,
      firstNode: mixes[0]?.id ?? '',
      expires: Math.floor((era.handOverEnd - sum(delaysMs)) / 1000),
    },
    path: { hops: mixes.map(({ name }) => name), delaysMs },
  };
}

// spec route 4.1
/** Drawn anew while they outlast the mixes' keys: with any mean that the checks let through, hardly ever. */
function delaysThatFit(hops: number, { strategy, random, era }: WrapOptions): number[] {
  for (;;) {
    const delaysMs = strategy.delays(hops, random);
    if (sum(delaysMs) <= era.longestDelayMs) return delaysMs;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
