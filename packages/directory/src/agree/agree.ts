import {
  type CertifiedSigner,
  type Consensus,
  type Counted,
  consensusDigest,
  type Descriptor,
  decodeConsensus,
  type Earlier,
  type Listed,
  listRest,
  type Registered,
  type Reveal,
  readGeometry,
  sharedValue,
  signCertifiedConsensus,
  tabulate,
  tally,
  type Vote,
} from '@postern/protocol/consensus';
import type { LogHead } from '@postern/protocol/log';
import type { Holdup } from '../due.ts';
import type { Issued } from '../store.ts';
import type { Wanted } from './gather.ts';
import type { Outcome, Standing } from './rounds.ts';

/** What came of an agreement: a consensus to sign, or why there is none. */
export type Agreed =
  | {
      readonly kind: 'agreed';
      readonly consensus: Consensus;
      /** The nodes that its `rest` is of. */
      readonly rest: readonly Listed[];
    }
  | { readonly kind: 'held-up'; readonly holdup: Holdup };

/** What an authority holds an outcome against. */
export interface Standpoint {
  readonly epoch: number;
  readonly epochSeconds: number;
  readonly members: number;
  readonly threshold: number;
  /** The newest consensus here. */
  readonly latest: Issued | undefined;
  /** Of the log of all consensuses here. */
  readonly log: LogHead;
  /** What this authority has signed last, if that is no consensus here. */
  readonly open: Issued | undefined;
  /** The consensuses of the two epochs before, as far as there are any. */
  readonly earlier: readonly Earlier[];
  /** A descriptor that a vote has named, as it was signed and verified. */
  body(digest: string): string | undefined;
}

/** Votes and reveals → the consensus of an epoch, not signed yet (spec agreement 5). */
export function agree({ votes, reveals }: Pick<Outcome, 'votes' | 'reveals'>, record: Standpoint): Agreed {
  const { epoch, epochSeconds, threshold, latest } = record;
  if (votes.size < threshold) return heldUp({ kind: 'few-votes', counted: votes.size, wanted: threshold });
  const counted = tally(
    [...votes.values()].map(({ value }) => value),
    record,
  );
  if (counted.kind === 'divided') return heldUp(counted);
  const geometry = readGeometry(counted.geometry);
  if (counted.epochSeconds !== epochSeconds || geometry === undefined)
    return heldUp({ kind: 'other-parameters' });
  if (counted.previous !== (latest?.digest ?? '')) return heldUp({ kind: 'not-linked' });
  const locked = lockOf([...votes.values()], record);
  if (locked !== undefined) return heldUp(locked);
  const bodies = counted.descriptors.map(({ digest }) => record.body(digest));
  const missing = bodies.filter((body) => body === undefined).length;
  if (missing > 0) return heldUp({ kind: 'missing-descriptors', missing });
  const values = [...reveals.values()].map(({ value }) => value);
  const registered = counted.descriptors.map(
    ({ digest }, at): Registered => ({ digest, descriptor: descriptorOf(bodies[at] as string) }),
  );
  const agenda = {
    ...counted,
    epoch,
    geometry,
    earlier: record.earlier,
    log: record.log,
    shared: sharedValue(epoch, counted.previous, values),
    votes: countedOf(votes),
    reveals: countedOf(reveals),
  };
  const consensus = tabulate(registered, agenda);
  for (let layer = 1; layer <= consensus.geometry.hops; layer++) {
    if (!consensus.nodes.some((node) => node.layer === layer)) return heldUp({ kind: 'empty-layer', layer });
  }
  return { kind: 'agreed', consensus, rest: listRest(registered, agenda, consensus) };
}

/** Those of the two epochs before one, of all that were issued. */
export function earlierThan(epoch: number, issued: (epoch: number) => Issued | undefined): Earlier[] {
  return [epoch - 2, epoch - 1].flatMap((at) => decodeConsensus(issued(at)?.signed ?? '')?.consensus ?? []);
}

/** The descriptors that count, each with those whose votes name it; none while nothing comes of the votes anyway. */
export function wantedBy(
  votes: Outcome['votes'],
  voters: Pick<Standpoint, 'members' | 'threshold'>,
): Wanted[] {
  if (votes.size < voters.threshold) return [];
  const all = [...votes.values()].map(({ value }) => value);
  const counted = tally(all, voters);
  if (counted.kind === 'divided') return [];
  const naming = new Map<string, string[]>();
  for (const { authority, descriptors } of all)
    for (const { digest } of descriptors) naming.set(digest, [...(naming.get(digest) ?? []), authority]);
  return counted.descriptors.map((one) => ({ ...one, from: naming.get(one.digest) ?? [] }));
}

/** Signs what was agreed, as it is sent to others. */
export function seal(consensus: Consensus, signer: CertifiedSigner): Issued {
  return {
    epoch: consensus.epoch,
    digest: consensusDigest(consensus),
    signed: signCertifiedConsensus(consensus, signer),
  };
}

/**
 * Who has signed a document that may have become a consensus without their knowing signs none beside it: not before so many others say that
 * they have not signed it that too few are left (spec agreement 6.2).
 */
function lockOf(votes: readonly Standing<Vote>[], record: Standpoint): Holdup | undefined {
  const { epoch, open, members, threshold } = record;
  if (open === undefined) return undefined;
  if (open.epoch === epoch) return { kind: 'signed-before', epoch };
  const free = votes.filter(({ value }) =>
    open.digest === '' ? value.signed === '' : value.signed !== open.digest,
  );
  const wanted = members - threshold + 1;
  return free.length >= wanted ? undefined : { kind: 'signed-before', epoch: open.epoch };
}

function countedOf(ballots: ReadonlyMap<string, Standing<Vote | Reveal>>): Counted[] {
  return [...ballots].map(([authority, { digest }]) => ({ authority, digest }));
}

/** Its second line; it was verified when it came. */
function descriptorOf(signed: string): Descriptor {
  return JSON.parse(signed.split('\n', 2)[1] ?? '') as Descriptor;
}

function heldUp(holdup: Holdup): Agreed {
  return { kind: 'held-up', holdup };
}
