import { isBy, parseNote } from '@postern/protocol/codec';
import {
  type AuthorityKey,
  covers,
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

/** What is proven in the course of an audit. */
export interface Proofs {
  /** In the order in which they were found, each once. */
  readonly all: readonly Proof[];
  /** Proves what some documents prove. */
  look(sightings: readonly Sighting[]): void;
}

export interface ProofReader {
  readonly authorities: readonly AuthorityKey[];
  readonly threshold: number;
}

/** After so many proofs no more are looked for: one is enough, each may be of the longest documents, and who signs two has no end of them. */
const mostProofs = 16;

export function createProofs(
  certified: readonly Certified[],
  reader: ProofReader,
  onProof: (proof: Proof) => void = () => {},
): Proofs {
  const proofs = new Map<string, Proof>();
  const idOf = (digests: readonly string[]): string => [...digests].sort().join();
  const isKnown = (one: Sighting, other: Sighting): boolean =>
    proofs.has(idOf([one.read.digest, other.read.digest]));
  return {
    get all() {
      return [...proofs.values()];
    },
    look(sightings) {
      for (const [one, other] of rivalsIn(sightings)) {
        if (proofs.size === mostProofs) return;
        const proof = isKnown(one, other) ? undefined : proofOf(one, other, certified, reader);
        if (proof === undefined) continue;
        proofs.set(idOf(proof.verdict.digests), proof);
        onProof(proof);
      }
    },
  };
}

/** What two of these prove, each held against the first for its epoch, and at its place. Of documents that are the same there is nothing. */
export function provenBy(
  sightings: readonly Sighting[],
  certified: readonly Certified[],
  reader: ProofReader,
): Proof[] {
  return rivalsIn(sightings).flatMap(([one, other]) => proofOf(one, other, certified, reader) ?? []);
}

function rivalsIn(sightings: readonly Sighting[]): [Sighting, Sighting][] {
  const seen = new Set<string>();
  const [byEpoch, byPlace] = [new Map<number, Sighting>(), new Map<number, Sighting>()];
  const firstAt = (places: Map<number, Sighting>, place: number, one: Sighting): Sighting => {
    const first = places.get(place) ?? one;
    places.set(place, first);
    return first;
  };
  return sightings.flatMap((one): [Sighting, Sighting][] => {
    const { digest, consensus } = one.read;
    if (seen.has(digest)) return [];
    seen.add(digest);
    const firsts = [firstAt(byEpoch, consensus.epoch, one), firstAt(byPlace, consensus.log.size, one)];
    return [...new Set(firsts)].filter((first) => first !== one).map((first) => [first, one]);
  });
}

function proofOf(
  one: Sighting,
  other: Sighting,
  certified: readonly Certified[],
  reader: ProofReader,
): Proof | undefined {
  const documents = [one.signed, other.signed] as const;
  const timed = [one, other].map(({ signed, read }) => ({ signed, at: read.consensus.validAfter }));
  const proof = { documents, certificates: certificatesFor(timed, certified) };
  const verdict = verifyEquivocation(proof, reader);
  return verdict.kind === 'equivocation' ? { ...proof, urls: [one.url, other.url], verdict } : undefined;
}

/** Of the keys that signed one of the documents, one for each that is for the time of the document. */
export function certificatesFor(documents: readonly Timed[], certified: readonly Certified[]): string[] {
  const needed = documents.flatMap(({ signed, at }) =>
    (parseNote(signed, maxConsensusLength)?.signatures ?? []).flatMap(
      (signature) => certified.find(({ key }) => isBy(signature, key) && covers(key, at))?.signed ?? [],
    ),
  );
  return [...new Set(needed)];
}

/** A document, and the time that it is of, Unix seconds. */
interface Timed {
  readonly signed: string;
  readonly at: number;
}
