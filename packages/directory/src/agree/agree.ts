import type { NoteSigner } from '@postern/protocol/codec';
import {
  type Agenda,
  type Consensus,
  consensusDigest,
  type Descriptor,
  signConsensus,
  tabulate,
} from '@postern/protocol/consensus';
import type { Issued } from '../store.ts';

/** What came of it: a consensus to sign, or the first layer that would have no mix, so that no path led through it. */
export type Agreement =
  | { readonly kind: 'agreed'; readonly consensus: Consensus }
  | { readonly kind: 'empty-layer'; readonly layer: number };

/** Descriptors → the consensus of an epoch, not signed yet. One authority agrees with itself. */
export function agree(descriptors: readonly Descriptor[], agenda: Agenda): Agreement {
  const consensus = tabulate(descriptors, agenda);
  for (let layer = 1; layer <= consensus.geometry.hops; layer++) {
    if (!consensus.nodes.some((node) => node.layer === layer)) return { kind: 'empty-layer', layer };
  }
  return { kind: 'agreed', consensus };
}

/** Signs what was agreed. Whatever is signed is issued: there is one document of an epoch. */
export function seal(consensus: Consensus, signer: NoteSigner): Issued {
  return {
    epoch: consensus.epoch,
    digest: consensusDigest(consensus),
    signed: signConsensus(consensus, [signer]),
  };
}
