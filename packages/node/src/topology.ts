import type { VerifiedConsensus } from '@postern/directory/client';
import { type Consensus, isValidAt, keyEpochsHeld, type NodeEntry } from '@postern/protocol/consensus';
import type { Clock } from '@postern/runtime';
import type { Next } from './spool.ts';

/** Who is where, as the last consensus says, and those before it of mixes that it does not have. */
export interface Topology {
  /** Takes another consensus, or learns that there is none that may be used; with what was taken before it, in an earlier run of the node. */
  update(consensus: VerifiedConsensus | undefined, before?: readonly Consensus[]): void;
  /** The consensus, while it is valid. */
  valid(): VerifiedConsensus | undefined;
  find(next: Next): Found;
  /** The id of the mix of that name. */
  mixNamed(name: string): { readonly kind: 'mix'; readonly id: string } | Exclude<Found, { kind: 'found' }>;
}

export type Found =
  /** `domain` is the mail domain whose `secure` mailbox takes it. */
  | { readonly kind: 'found'; readonly entry: NodeEntry; readonly domain: string }
  | { readonly kind: 'no-route' }
  /** The consensus of this epoch lists the node, and no consensus as a mix: it takes no packets. */
  | { readonly kind: 'no-mix' }
  | { readonly kind: 'no-consensus' };

/** A consensus, so that nodes are found in it. */
interface Indexed {
  readonly consensus: Consensus;
  readonly nodes: ReadonlyMap<string, NodeEntry>;
  readonly gateways: ReadonlyMap<string, NodeEntry>;
}

export function createTopology(clock: Clock): Topology {
  let held: VerifiedConsensus | undefined;
  /** The newest first. */
  let known: readonly Indexed[] = [];
  const valid = (): VerifiedConsensus | undefined =>
    held !== undefined && isValidAt(held.consensus, Math.floor(clock.now() / 1_000)) ? held : undefined;

  /** By the newest consensus that has it as a mix, of those whose packets may be under way (spec consensus 6.2). */
  const findMix = (
    is: (one: Indexed) => NodeEntry | undefined,
  ): NodeEntry | Exclude<Found, { kind: 'found' }> => {
    if (held === undefined || valid() === undefined) return { kind: 'no-consensus' };
    const entries = known.filter(({ consensus }) => clock.now() < endMs(consensus)).map(is);
    const mix = entries.find((entry) => entry?.roles.includes('mix'));
    if (mix !== undefined) return mix;
    // A past epoch's consensus does not know who has become a mix since.
    const fresh = clock.now() < held.consensus.freshUntil * 1_000;
    return { kind: fresh && entries[0] !== undefined ? 'no-mix' : 'no-route' };
  };

  return {
    update(consensus, before = []) {
      held = consensus;
      if (consensus === undefined) return;
      const all = [consensus.consensus, ...known.map((one) => one.consensus), ...before];
      const byEpoch = new Map(all.toReversed().map((one) => [one.epoch, one]));
      known = [...byEpoch.values()]
        .filter((one) => one.epoch <= consensus.consensus.epoch && clock.now() < endMs(one))
        .sort((a, b) => b.epoch - a.epoch)
        .slice(0, keyEpochsHeld + 1)
        .map((one) => known.find((indexed) => indexed.consensus === one) ?? indexOf(one));
    },
    valid,
    find(next) {
      if (next.kind === 'node') {
        const mix = findMix(({ nodes }) => nodes.get(next.id));
        return 'kind' in mix ? mix : { kind: 'found', entry: mix, domain: mix.name };
      }
      if (valid() === undefined) return { kind: 'no-consensus' };
      const entry = known[0]?.gateways.get(next.domain);
      return entry === undefined ? { kind: 'no-route' } : { kind: 'found', entry, domain: next.domain };
    },
    mixNamed(name) {
      const mix = findMix(({ consensus }) => consensus.nodes.find((node) => node.name === name));
      return 'kind' in mix ? mix : { kind: 'mix', id: mix.id };
    },
  };
}

function indexOf(consensus: Consensus): Indexed {
  return {
    consensus,
    nodes: new Map(consensus.nodes.map((entry) => [entry.id, entry])),
    gateways: new Map(
      consensus.nodes.flatMap((entry) => entry.domains.map((domain) => [domain, entry] as const)),
    ),
  };
}

/** When the mixes of a consensus have no key of its epoch any more. */
function endMs({ epoch, epochSeconds }: Consensus): number {
  return (epoch + keyEpochsHeld + 1) * epochSeconds * 1_000;
}
