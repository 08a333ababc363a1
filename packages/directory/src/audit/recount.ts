import {
  type Ballot,
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
  readReveal,
  readVote,
  sharedValue,
  type Trust,
  tabulate,
  tally,
  type Vote,
  verifyDescriptor,
} from '@postern/protocol/consensus';
import { timetable } from '../slots.ts';
import { NotServed, type Served } from './served.ts';

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

/** Counts the votes and reveals that a consensus names again, from what its URL serves of them (spec agreement 5; spec log 7). */
export async function recount(counting: Counting, served: Served, trust: Trust): Promise<Recounted> {
  const { consensus } = counting;
  try {
    const record = await served.record(consensus.epoch);
    if (record === undefined) return { kind: 'not-served' };
    const votes = ballotsOf(consensus.votes, record.votes, timesOf(consensus, trust), (signed, at) =>
      readVote(signed, { ...trust, at }),
    );
    const reveals = ballotsOf(consensus.reveals, record.reveals, timesOf(consensus, trust), (signed, at) =>
      readReveal(signed, { ...trust, at }),
    );
    if (votes === undefined || reveals === undefined) return { kind: 'not-served' };
    return await count(counting, { votes, reveals }, served);
  } catch (error) {
    if (error instanceof NotServed) return { kind: 'not-served' };
    throw error;
  }
}

async function count(
  { consensus, digest, earlier }: Counting,
  { votes, reveals }: { readonly votes: readonly Vote[]; readonly reveals: readonly Reveal[] },
  served: Served,
): Promise<Recounted> {
  const { epoch, log } = consensus;
  if ([...votes, ...reveals].some((one) => one.epoch !== epoch))
    return other('a ballot is for another epoch');
  const broken = reveals.find(
    ({ authority, value }) => votes.find((vote) => vote.authority === authority)?.commit !== commitTo(value),
  );
  if (broken !== undefined) return other(`${broken.authority} has not committed itself to what it revealed`);
  if (votes.length === 0) return other('it names no votes');
  const counted = tally(votes);
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

async function registeredAs(digest: string, served: Served): Promise<Registered> {
  const signed = await served.descriptor(digest);
  const verified = verifyDescriptor(signed);
  if (descriptorDigest(signed) !== digest || verified.kind === 'refused')
    throw new NotServed(`descriptor ${digest} is not the one that is named`);
  return { digest, descriptor: verified.descriptor };
}

/** The ballots that are named; undefined when one is not there. */
function ballotsOf<T extends Vote | Reveal>(
  named: readonly Counted[],
  notes: readonly string[],
  times: (ballot: string) => readonly number[],
  read: (signed: string, at: number) => Ballot<T>,
): T[] | undefined {
  const found = notes.flatMap((signed) => {
    const ballots = times(signed).map((at) => read(signed, at));
    return ballots.find((one) => one.kind === 'ballot') ?? [];
  });
  const values = named.flatMap(({ authority, digest }) => {
    const one = found.find((ballot) => ballot.digest === digest && ballot.value.authority === authority);
    return one === undefined ? [] : [one.value];
  });
  return values.length === named.length ? values : undefined;
}

/** When the agreement may have begun, Unix seconds: keys have to be of that time. A note says in which slot. */
function timesOf({ epoch, epochSeconds }: Consensus, { authorities }: Trust): (ballot: string) => number[] {
  const members = new Set(authorities.map(({ name }) => name)).size;
  const table = timetable(epochSeconds, members);
  const first = table.at(table.begins(epoch));
  return (signed) => {
    const slot = Number(/"slot":(\d+)/.exec(signed)?.[1] ?? 0);
    const slotMs = first === undefined ? 0 : first.endMs - first.startMs;
    const start = Math.floor((table.begins(epoch) + slot * slotMs) / 1_000);
    return [start, epoch * epochSeconds];
  };
}

function other(detail: string): Recounted {
  return { kind: 'other', detail };
}
