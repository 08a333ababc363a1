import {
  type Ballot,
  type Consensus,
  type Reveal,
  readReveal,
  readVote,
  type Trust,
  type Vote,
} from '@postern/protocol/consensus';
import type { AgreementRecord } from '../ballots.ts';
import { timetable } from '../slots.ts';

/** What authorities have said in the agreement on an epoch, as far as their signatures hold. */
export interface Ballots {
  readonly votes: readonly Said<Vote>[];
  readonly reveals: readonly Said<Reveal>[];
}

export interface Said<T extends Vote | Reveal> {
  readonly value: T;
  readonly digest: string;
}

/** Those of a record, held against the keys of the time at which the agreement began. */
export function ballotsOf(
  record: Pick<AgreementRecord, 'votes' | 'reveals'>,
  consensus: Pick<Consensus, 'epoch' | 'epochSeconds'>,
  trust: Trust,
): Ballots {
  const times = timesOf(consensus, trust);
  const all = <T extends Vote | Reveal>(
    notes: readonly string[],
    read: (signed: string, reader: Trust & { readonly at: number }) => Ballot<T>,
  ): Said<T>[] =>
    notes.flatMap((signed) => {
      for (const at of times(signed)) {
        const ballot = read(signed, { ...trust, at });
        if (ballot.kind === 'ballot') return [{ value: ballot.value, digest: ballot.digest }];
      }
      return [];
    });
  return { votes: all(record.votes, readVote), reveals: all(record.reveals, readReveal) };
}

/** When the agreement may have begun, Unix seconds. A note says in which slot. */
function timesOf(
  { epoch, epochSeconds }: Pick<Consensus, 'epoch' | 'epochSeconds'>,
  { authorities }: Trust,
): (ballot: string) => number[] {
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
