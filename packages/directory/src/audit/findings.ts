import type { Equivocation, VerifiedEquivocation } from '@postern/protocol/consensus';

/** What is wrong with a history that a URL serves. */
export type FindingReason =
  | 'not-served'
  | 'bad-checkpoint'
  | 'bad-leaf'
  | 'bad-document'
  | 'other-document'
  | 'wrong-previous'
  | 'wrong-log'
  | 'wrong-tile'
  | 'wrong-root'
  | 'not-in-log'
  | 'wrong-count'
  | 'other-history'
  /** An authority has signed two votes in one slot. */
  | 'equivocation'
  /** An authority has signed two documents for one epoch. */
  | 'signed-twice'
  /** A history is not gone through any further. */
  | 'too-many';

export interface Finding {
  readonly url: string;
  readonly reason: FindingReason;
  /** The epoch that it is about, unless it is about none. */
  readonly epoch?: number;
  readonly detail: string;
}

/** Two documents that prove what their signers did, and where they were served. */
export interface Proof extends Equivocation {
  readonly urls: readonly [string, string];
  readonly verdict: Extract<VerifiedEquivocation, { kind: 'equivocation' }>;
}

/** How far one URL's history was verified. */
export interface Audited {
  readonly url: string;
  /** Whose checkpoint it serves. */
  readonly authority: string;
  /** Consensuses in the log by its checkpoint. */
  readonly size: number;
  /** Hex. */
  readonly root: string;
  /** Of these as many as hold, in order from the first. */
  readonly verified: number;
  /** Of these as many as were counted again from votes and descriptors. */
  readonly recounted: number;
}

export interface Report {
  readonly audited: readonly Audited[];
  readonly findings: readonly Finding[];
  readonly proofs: readonly Proof[];
}
