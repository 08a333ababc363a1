import {
  type Agenda,
  type Consensus,
  consensusDigest,
  type Descriptor,
  signConsensus,
  tabulate,
} from '@postern/protocol/consensus';
import type { Issued } from '../store.ts';

/** What the authorities agree about, and the key that this one agrees with. */
export interface Agree extends Agenda {
  readonly signer: { readonly name: string; readonly seed: Uint8Array };
}

/** An agreed document, and what it says. */
export interface Agreed extends Issued {
  readonly consensus: Consensus;
}

/** Descriptors → the signed consensus of an epoch. One authority agrees with itself. */
export function agree(descriptors: readonly Descriptor[], { signer, ...agenda }: Agree): Agreed {
  const consensus = tabulate(descriptors, agenda);
  return {
    epoch: consensus.epoch,
    digest: consensusDigest(consensus),
    signed: signConsensus(consensus, [signer]),
    consensus,
  };
}
