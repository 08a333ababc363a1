import { buildPacket, createSurb, type Hop, type Surb } from '@postern/protocol/packet';
import type { Strategy } from '@postern/protocol/strategy';
import type { Random } from '@postern/runtime';
import type { Mixing, WrappedPacket } from '../message.ts';

/** How packets of one message travel. */
export interface LayerOptions extends Pick<Mixing, 'era' | 'routes'> {
  readonly strategy: Strategy;
  readonly random: Random;
}

/** One packet to a domain, on a path of its own. */
export function packetTo(
  domain: string,
  envelope: Uint8Array,
  token: string | undefined,
  options: LayerOptions,
): WrappedPacket {
  const { era, random } = options;
  const { hops, names, first, delaysMs } = draw(options);
  const bytes = buildPacket(era.geometry, era.epoch, hops, { domain }, envelope, random);
  return {
    packet: {
      bytes,
      next: { kind: 'node', id: first },
      ...(token === undefined ? {} : { token }),
      expires: Math.floor((era.handOverEnd - sum(delaysMs)) / 1000),
    },
    path: { hops: names, delaysMs },
  };
}

/** A way back to a domain, on a path of its own: chosen as that of any packet. */
export function wayBackTo(domain: string, options: LayerOptions): Surb {
  const { era, random } = options;
  return createSurb(era.geometry, era.epoch, draw(options).hops, { domain }, random);
}

interface Path {
  readonly hops: readonly Hop[];
  readonly names: readonly string[];
  /** Node id of the first mix. */
  readonly first: string;
  readonly delaysMs: readonly number[];
}

function draw(options: LayerOptions): Path {
  const mixes = options.routes.choose(options.random);
  const delaysMs = delaysThatFit(mixes.length, options);
  const hops = mixes.map(
    ({ id, mixKey }, layer): Hop => ({
      nodeId: new Uint8Array(Buffer.from(id, 'hex')),
      mixKey: new Uint8Array(Buffer.from(mixKey, 'base64')),
      delayMs: delaysMs[layer] ?? 0,
    }),
  );
  return { hops, names: mixes.map(({ name }) => name), first: mixes[0]?.id ?? '', delaysMs };
}

// spec route 4.1
/** Drawn anew while they outlast the mixes' keys: with any mean that the checks let through, hardly ever. */
function delaysThatFit(hops: number, { strategy, random, era }: LayerOptions): number[] {
  for (;;) {
    const delaysMs = strategy.delays(hops, random);
    if (sum(delaysMs) <= era.longestDelayMs) return delaysMs;
  }
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
