import {
  joinSignatures,
  maxConsensusLength,
  readConsensus,
  readIssued,
  type Trust,
  type Vote,
} from '@postern/protocol/consensus';
import { short } from '../agree/ledger.ts';
import type { Finding } from './findings.ts';
import { certificatesFor, type Sighting } from './proofs.ts';
import type { Certified } from './served.ts';
import type { Said } from './verified-ballots.ts';

/** A document, or a vote, and the URL that has it. */
export interface Sourced<T> {
  readonly url: string;
  readonly of: T;
}

/** A document that authorities have signed, under their signatures from everywhere. */
interface Gathered {
  readonly epoch: number;
  /** Unix seconds: of the document. */
  readonly at: number;
  readonly digest: string;
  readonly url: string;
  readonly signed: string;
  /** The URL that has a signature, by the name of the authority. */
  readonly signers: ReadonlyMap<string, string>;
}

/** Those documents that enough have signed; and who else has signed two for one epoch, which is no proof of enough. */
export function gatherDocuments(
  sources: readonly Sourced<string>[],
  trust: Trust,
  certified: readonly Certified[],
): { readonly sightings: readonly Sighting[]; readonly findings: readonly Finding[] } {
  // of one document alone there is nothing to say, and signatures take long
  if (new Set(sources.map(({ of }) => textOf(of))).size < 2) return { sightings: [], findings: [] };
  const gathered = new Map<string, Gathered>();
  for (const { url, of: signed } of sources) {
    const read = readConsensus(signed, trust);
    if (read.kind === 'refused') continue;
    const known = gathered.get(read.digest);
    const { epoch, validAfter: at } = read.consensus;
    const bounds = { ...trust, at, maxLength: maxConsensusLength };
    const joined = joinSignatures(known?.signed ?? signed, signed, bounds) ?? known?.signed ?? signed;
    const signers = new Map([
      ...read.signedBy.map((name) => [name, url] as const),
      ...(known?.signers ?? []),
    ]);
    const { digest } = read;
    gathered.set(digest, { epoch, at, digest, url: known?.url ?? url, signed: joined, signers });
  }
  const documents = [...gathered.values()];
  const sightings = documents.flatMap(({ url, signed }): Sighting[] => {
    const read = readIssued(signed, trust);
    return read.kind === 'consensus' ? [{ url, signed, read }] : [];
  });
  const enough = new Set(sightings.map(({ read }) => read.digest));
  const findings = trust.authorities.flatMap(({ name }) => {
    const its = documents.filter(({ signers }) => signers.has(name));
    const own = certified.filter(({ key }) => key.name === name);
    return signedTwice(name, its, own, (one, two) => enough.has(one.digest) && enough.has(two.digest));
  });
  return { sightings, findings };
}

/** What is signed, of a note. */
function textOf(signed: string): string {
  return signed.slice(0, signed.indexOf('\n\n'));
}

/** Each is held against the first for its epoch. */
function signedTwice(
  name: string,
  documents: readonly Gathered[],
  certified: readonly Certified[],
  isProven: (one: Gathered, two: Gathered) => boolean,
): Finding[] {
  return documents.flatMap((two, at): Finding[] => {
    const one = documents.slice(0, at).find(({ epoch }) => epoch === two.epoch);
    if (one === undefined || isProven(one, two)) return [];
    const detail = `${name} has signed ${short(one.digest)} and ${short(two.digest)}`;
    const [first, second] = [one, two].map(({ signers, url }) => signers.get(name) ?? url) as [
      string,
      string,
    ];
    const certificates = certificatesFor([one, two], certified);
    const evidence = { urls: [first, second], notes: [one.signed, two.signed], certificates } as const;
    return [{ url: second, reason: 'signed-twice', epoch: two.epoch, detail, authority: name, evidence }];
  });
}

/** Who has signed two votes in one slot. */
export function findEquivocations(votes: readonly Sourced<Said<Vote>>[]): Finding[] {
  const first = new Map<string, Sourced<Said<Vote>>>();
  return votes.flatMap((vote): Finding[] => {
    const { url, of } = vote;
    const { authority, epoch, slot } = of.value;
    const key = `${epoch} ${slot} ${authority}`;
    const before = first.get(key) ?? vote;
    first.set(key, before);
    if (before.of.digest === of.digest) return [];
    const both = `${short(before.of.digest)} and ${short(of.digest)}`;
    const detail = `${authority} has signed two votes in slot ${slot}: ${both}`;
    const evidence = {
      urls: [before.url, url],
      notes: [before.of.signed, of.signed],
      certificates: [],
    } as const;
    return [{ url, reason: 'equivocation', epoch, detail, authority, evidence }];
  });
}
