import type { AuthorityKey } from '@postern/protocol/consensus';
import type { Signer } from './agree.ts';

/** Another authority, as the configuration names it. */
export interface Peer {
  readonly name: string;
  /** http or https, without a slash at the end. */
  readonly url: string;
}

/** The authorities of a network, as one of them sees them. */
export interface Members {
  /** Its own key. */
  readonly signer: Signer;
  /** All of them, its own name too, ascending. */
  readonly names: readonly string[];
  readonly others: readonly Peer[];
  /** So many sign a consensus, or it is none. */
  readonly threshold: number;
  /** What their signatures are known by. */
  readonly authorities: readonly AuthorityKey[];
}
