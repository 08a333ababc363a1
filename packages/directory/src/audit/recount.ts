import {
  type Consensus,
  type Counted,
  commitTo,
  consensusDigest,
  descriptorDigest,
  type Earlier,
  type IssuedConsensus,
  type Registered,
  type Reveal,
  readGeometry,
  sharedValue,
  type Trust,
  tabulate,
  tally,
  type Vote,
  verifyDescriptor,
} from '@postern/protocol/consensus';
import { NotServed, type Served } from './served.ts';
import type { Ballots, Said } from './verified-ballots.ts';

/** What comes of counting again; `not-served` where votes, reveals or descriptors are not to be had any more. */
export type Recounted =
  | { readonly kind: 'same' | 'not-served' }
  | { readonly kind: 'other'; readonly detail: string };

/** Descriptors fetched at a time. */
const atOnce = 8;

/** What is counted again. */
export interface Counting
  extends Pick<Extract<IssuedConsensus, { kind: 'consensus' }>, 'consensus' | 'digest'> {
  /** The consensuses of the two epochs before, as far as there are any. */
  readonly earlier: readonly Earlier[];
}

/**
 * Counts the votes and reveals that a consensus names again, from what its URL serves of them (spec agreement 5; spec log 7). Whoever has not
 * kept one of them cannot be held against it.
 */
export async function recount(
  counting: Counting,
  ballots: Ballots,
  served: Pick<Served, 'descriptor'>,
  { threshold, authorities }: Pick<Trust, 'threshold' | 'authorities'>,
): Promise<Recounted> {
  const { consensus } = counting;
  const votes = namedOf(consensus.votes, ballots.votes);
  const reveals = namedOf(consensus.reveals, ballots.reveals);
  if (votes === undefined || reveals === undefined) return { kind: 'not-served' };
  const mistake = mistakeIn(consensus, votes, reveals, threshold);
  if (mistake !== undefined) return other(mistake);
  try {
    const members = new Set(authorities.map(({ name }) => name)).size;
    return await count(counting, { votes, reveals }, { members, threshold }, served);
  } catch (error) {
    if (error instanceof NotServed) return { kind: 'not-served' };
    throw error;
  }
}

/** What correct authorities would not have counted. */
function mistakeIn(
  { epoch }: Consensus,
  votes: readonly Vote[],
  reveals: readonly Reveal[],
  threshold: number,
): string | undefined {
  if (votes.length < threshold) return `it names ${votes.length} votes, ${threshold} have to count`;
  const all = [...votes, ...reveals];
  if (all.some((one) => one.epoch !== epoch)) return 'a ballot is for another epoch';
  if (new Set(all.map(({ slot }) => slot)).size > 1)
    return 'not all of its votes and reveals are of one slot';
  const broken = reveals.find(
    ({ authority, value }) => votes.find((vote) => vote.authority === authority)?.commit !== commitTo(value),
  );
  return broken && `${broken.authority} has not committed itself to what it revealed`;
}

async function count(
  { consensus, digest, earlier }: Counting,
  { votes, reveals }: { readonly votes: readonly Vote[]; readonly reveals: readonly Reveal[] },
  voters: Parameters<typeof tally>[1],
  served: Pick<Served, 'descriptor'>,
): Promise<Recounted> {
  const { epoch, log } = consensus;
  const counted = tally(votes, voters);
  if (counted.kind === 'divided')
    return other(`of ${counted.over} no ${counted.wanted} of its votes say the same`);
  const geometry = readGeometry(counted.geometry);
  if (geometry === undefined) return { kind: 'not-served' };
  const registered: Registered[] = [];
  for (let at = 0; at < counted.descriptors.length; at += atOnce) {
    const some = counted.descriptors.slice(at, at + atOnce);
    registered.push(...(await Promise.all(some.map((one) => registeredAs(one.digest, served)))));
  }
  const again = tabulate(registered, {
    ...counted,
    epoch,
    geometry,
    log,
    earlier,
    shared: sharedValue(epoch, counted.previous, reveals),
    votes: consensus.votes,
    reveals: consensus.reveals,
  });
  if (consensusDigest(again) === digest) return { kind: 'same' };
  const members = Object.keys(again) as (keyof Consensus)[];
  const differ = members.filter((name) => JSON.stringify(again[name]) !== JSON.stringify(consensus[name]));
  return other(`its votes come to another ${differ.join(', ')}`);
}

async function registeredAs(digest: string, served: Pick<Served, 'descriptor'>): Promise<Registered> {
  const signed = await served.descriptor(digest);
  const verified = verifyDescriptor(signed);
  if (descriptorDigest(signed) !== digest || verified.kind === 'refused')
    throw new NotServed(`descriptor ${digest} is not the one that is named`);
  return { digest, descriptor: verified.descriptor };
}

/** The ballots that are named; undefined when one is not there. */
function namedOf<T extends Vote | Reveal>(
  named: readonly Counted[],
  said: readonly Said<T>[],
): T[] | undefined {
  const values = named.flatMap(({ authority, digest }) => {
    const one = said.find((ballot) => ballot.digest === digest && ballot.value.authority === authority);
    return one === undefined ? [] : [one.value];
  });
  return values.length === named.length ? values : undefined;
}

function other(detail: string): Recounted {
  return { kind: 'other', detail };
}
