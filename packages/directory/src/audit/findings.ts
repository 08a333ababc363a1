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
  /** What is kept of an agreement is more than there can be. */
  | 'bad-record'
  /** An authority has signed two votes in one slot. */
  | 'equivocation'
  /** An authority has signed two documents for one epoch. */
  | 'signed-twice'
  /** A history is not gone through any further, or of an authority nothing more is told. */
  | 'too-many';

export interface Finding {
  readonly url: string;
  readonly reason: FindingReason;
  /** The epoch that it is about, unless it is about none. */
  readonly epoch?: number;
  readonly detail: string;
  /** With `equivocation` and `signed-twice`: who has. */
  readonly authority?: string;
  /** What proves it, for the first few of an authority. */
  readonly evidence?: Evidence;
}

/** Two notes that one authority has signed, of which there may be one. With its key alone anybody can verify them. */
export interface Evidence {
  readonly urls: readonly [string, string];
  readonly notes: readonly [string, string];
  /** Of the keys that it has signed with; none where the notes bring theirs. */
  readonly certificates: readonly string[];
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
  /** Of these as many as hold. */
  readonly verified: number;
  /** Of these as many, of epochs that are not asked about, as are the ones in the log, each after the one before: whoever has signed them. */
  readonly linked: number;
  /** Of those that hold as many as were counted again from votes and descriptors. */
  readonly recounted: number;
}

export interface Report {
  readonly audited: readonly Audited[];
  readonly findings: readonly Finding[];
  /** The first ones, as many as are looked for. */
  readonly proofs: readonly Proof[];
}
