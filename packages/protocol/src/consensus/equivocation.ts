import type { AuthorityKey } from './authorities.ts';
import { signingKeysIn } from './certificate.ts';
import { readIssued } from './consensus.ts';

/**
 * Two consensuses of which there may be one: for one epoch, or for one place in the log. With the certificates of the keys that signed them it
 * proves to anybody who knows the authorities that these have said two things (spec log 8).
 */
export interface Equivocation {
  /** As they were signed. */
  readonly documents: readonly [string, string];
  /** Notes; more than are needed do no harm. */
  readonly certificates: readonly string[];
}

export type VerifiedEquivocation =
  | {
      readonly kind: 'equivocation';
      /** What there may be one consensus for. */
      readonly of: 'epoch' | 'place';
      readonly epochs: readonly [number, number];
      readonly digests: readonly [string, string];
      /** Names of the authorities that signed both, sorted. With a threshold of more than half there is one at least. */
      readonly signedBy: readonly string[];
    }
  | { readonly kind: 'refused'; readonly detail: string };

/** Verifies a proof with the keys of the authorities alone. Throws only for a trust that cannot hold. */
export function verifyEquivocation(
  { documents, certificates }: Equivocation,
  reader: { readonly authorities: readonly AuthorityKey[]; readonly threshold: number },
): VerifiedEquivocation {
  const trust = { ...reader, signingKeys: signingKeysIn(certificates, { authorities: reader.authorities }) };
  const [one, other] = [readIssued(documents[0], trust), readIssued(documents[1], trust)];
  if (one.kind === 'refused') return refused(`the first document does not hold: ${one.detail}`);
  if (other.kind === 'refused') return refused(`the second document does not hold: ${other.detail}`);
  if (one.digest === other.digest) return refused('both documents are the same');
  const [a, b] = [one.consensus, other.consensus];
  const of = a.epoch === b.epoch ? 'epoch' : a.log.size === b.log.size ? 'place' : undefined;
  if (of === undefined) return refused('they are for different epochs, and for different places in the log');
  return {
    kind: 'equivocation',
    of,
    epochs: [a.epoch, b.epoch],
    digests: [one.digest, other.digest],
    signedBy: one.signedBy.filter((name) => other.signedBy.includes(name)),
  };
}

function refused(detail: string): VerifiedEquivocation {
  return { kind: 'refused', detail };
}
