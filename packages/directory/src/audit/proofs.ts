import { isBy, parseNote } from '@postern/protocol/codec';
import {
  type AuthorityKey,
  type IssuedConsensus,
  maxConsensusLength,
  verifyEquivocation,
} from '@postern/protocol/consensus';
import type { Proof } from './findings.ts';
import type { Certified } from './served.ts';

/** A consensus that enough authorities have signed, and who served it. */
export interface Sighting {
  readonly url: string;
  readonly signed: string;
  readonly read: Extract<IssuedConsensus, { kind: 'consensus' }>;
}

/** What each two of these prove. Of documents that are the same there is none. */
export function provenBy(
  sightings: readonly Sighting[],
  certified: readonly Certified[],
  reader: { readonly authorities: readonly AuthorityKey[]; readonly threshold: number },
): Proof[] {
  const all = distinct(sightings);
  return all.flatMap((one, at) =>
    all.slice(at + 1).flatMap((other) => {
      const documents = [one.signed, other.signed] as const;
      const proof = { documents, certificates: certificatesFor(documents, certified) };
      const verdict = verifyEquivocation(proof, reader);
      return verdict.kind === 'equivocation' ? [{ ...proof, urls: [one.url, other.url], verdict }] : [];
    }),
  );
}

function distinct(sightings: readonly Sighting[]): Sighting[] {
  const byDigest = new Map(sightings.toReversed().map((one) => [one.read.digest, one]));
  return sightings.filter((one) => byDigest.get(one.read.digest) === one);
}

/** Of the keys that signed one of the documents. */
function certificatesFor(documents: readonly string[], certified: readonly Certified[]): string[] {
  const signatures = documents.flatMap((signed) => parseNote(signed, maxConsensusLength)?.signatures ?? []);
  const needed = certified.filter(({ key }) => signatures.some((signature) => isBy(signature, key)));
  return [...new Set(needed.map(({ signed }) => signed))];
}
