import type { RegisteredProof } from '@postern/protocol/consensus';

/** Why a descriptor is not taken. */
export const registerRefusals = [
  'oversized',
  'malformed',
  'unknown-version',
  'bad-certificate',
  'bad-signature',
  'revoked',
  'not-allowed',
  'from-the-future',
  'too-old',
  'older-certificate',
  'not-newer',
  'name-taken',
  'domain-taken',
  'too-often',
  'full',
] as const;

export type RegisterRefusal = (typeof registerRefusals)[number];

/** What comes of posting a descriptor. */
export type Registration =
  | {
      readonly kind: 'registered';
      readonly id: string;
      /** It was not here before. */
      readonly isNew: boolean;
    }
  | { readonly kind: 'refused'; readonly reason: RegisterRefusal; readonly detail: string };

/** That a node stands though the consensus has no entry of it, as it is served (spec consensus 10.8). */
export interface Proof extends RegisteredProof {
  readonly epoch: number;
  /** Digest of the consensus. */
  readonly consensus: string;
  readonly id: string;
  /** Digest of its descriptor. */
  readonly descriptor: string;
}

/** What is known of a node when somebody asks whether it stands. */
export type Shown =
  | { readonly kind: 'registered'; readonly proof: Proof }
  | { readonly kind: 'in-consensus' | 'not-registered' | 'not-kept' };
