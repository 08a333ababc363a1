/** What is said in an agreement: a vote first, then the value that it has committed to. */
export type Part = 'vote' | 'reveal';

/** Why what another authority has sent is not taken. */
export type BallotFault =
  | 'early'
  | 'late'
  | 'other-slot'
  | 'not-committed'
  | 'no-ballot'
  | 'not-ready'
  | 'too-often';

/** What is answered to whoever has sent something. */
export type Receipt =
  | { readonly kind: 'taken' | 'known' }
  | { readonly kind: 'refused'; readonly reason: BallotFault; readonly detail: string };

/** What an authority serves of the agreement on an epoch: notes. */
export interface AgreementRecord {
  readonly epoch: number;
  readonly votes: readonly string[];
  readonly reveals: readonly string[];
  /** Under the signatures that have come in; more than one when authorities have signed different ones. */
  readonly documents: readonly string[];
}

/** Which authorities one goes by, and how many of them have to sign, as it tells the others. */
export interface ToldAuthorities {
  /** Verifier keys, ascending. */
  readonly authorities: readonly string[];
  readonly threshold: number;
}

/** Most descriptors that are asked for at a time. */
export const mostBodies = 64;
