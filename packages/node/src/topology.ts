import type { VerifiedConsensus } from '@postern/directory/client';
import type { NodeEntry } from '@postern/protocol/consensus';
import type { Clock } from '@postern/runtime';
import type { Next } from './spool.ts';

/** Who is where, as the last consensus says. */
export interface Topology {
  /** Takes another consensus, or learns that there is none that may be used. */
  update(consensus: VerifiedConsensus | undefined): void;
  /** The consensus, while it is valid. */
  valid(): VerifiedConsensus | undefined;
  find(next: Next): Found;
}

export type Found =
  /** `domain` is the mail domain whose `secure` mailbox takes it. */
  | { readonly kind: 'found'; readonly entry: NodeEntry; readonly domain: string }
  | { readonly kind: 'no-route' }
  /** The consensus of this epoch lists the node, and not as a mix: it takes no packets. */
  | { readonly kind: 'no-mix' }
  | { readonly kind: 'no-consensus' };

export function createTopology(clock: Clock): Topology {
  let held:
    | { consensus: VerifiedConsensus; nodes: Map<string, NodeEntry>; gateways: Map<string, NodeEntry> }
    | undefined;
  const valid = (): VerifiedConsensus | undefined => {
    const consensus = held?.consensus;
    return consensus !== undefined && clock.now() < consensus.consensus.validUntil * 1_000
      ? consensus
      : undefined;
  };
  return {
    update(consensus) {
      held = consensus && {
        consensus,
        nodes: new Map(consensus.consensus.nodes.map((entry) => [entry.id, entry])),
        gateways: new Map(
          consensus.consensus.nodes.flatMap((entry) =>
            entry.domains.map((domain) => [domain, entry] as const),
          ),
        ),
      };
    },
    valid,
    find(next) {
      if (held === undefined || valid() === undefined) return { kind: 'no-consensus' };
      const entry = next.kind === 'node' ? held.nodes.get(next.id) : held.gateways.get(next.domain);
      if (entry === undefined) return { kind: 'no-route' };
      if (next.kind === 'node' && !entry.roles.includes('mix')) {
        // A past epoch's consensus does not know who has become a mix since.
        const fresh = clock.now() < held.consensus.consensus.freshUntil * 1_000;
        return { kind: fresh ? 'no-mix' : 'no-route' };
      }
      return { kind: 'found', entry, domain: next.kind === 'node' ? entry.name : next.domain };
    },
  };
}
