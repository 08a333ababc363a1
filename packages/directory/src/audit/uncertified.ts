import { type IssuedConsensus, readConsensus, type Trust } from '@postern/protocol/consensus';

type Refused = Extract<IssuedConsensus, { kind: 'refused' }>;

/** Consensuses under signatures that could not be verified, since nobody serves the certificates of their keys: that is not to be held against them. */
export interface Uncertified {
  /** Whether a document that was refused would be signed by enough if signatures without a certificate were good. */
  isShort(signed: string, refused: Refused): boolean;
  add(epoch: number, refused: Refused): void;
  readonly count: number;
  /** What there is to say of them all, for people. */
  told(): string[];
}

export function createUncertified(trust: Trust): Uncertified {
  const found = new Map<string, { count: number; readonly first: number; last: number }>();
  let count = 0;
  return {
    isShort(signed, { uncertified = [] }) {
      if (uncertified.length === 0) return false;
      const read = readConsensus(signed, trust);
      const signedBy = read.kind === 'signed' ? read.signedBy : [];
      return new Set([...signedBy, ...uncertified]).size >= trust.threshold;
    },
    add(epoch, { uncertified = [] }) {
      count += 1;
      const names = uncertified.join(', ');
      const known = found.get(names) ?? { count: 0, first: epoch, last: epoch };
      found.set(names, { ...known, count: known.count + 1, last: epoch });
    },
    get count() {
      return count;
    },
    told: () =>
      [...found].map(
        ([names, { count, first, last }]) =>
          `nobody serves the certificates of keys that ${names} signed with: ${count} consensuses of epochs ${first} to ${last} could not be verified`,
      ),
  };
}
