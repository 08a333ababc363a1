import {
  type Ballot,
  type BallotReader,
  type Consensus,
  type Reveal,
  readReveal,
  readVote,
  type Trust,
  type Vote,
} from '@postern/protocol/consensus';
import { senderOf, slotIn } from '../agree/rounds.ts';
import type { AgreementRecord } from '../ballots.ts';
import { type Timetable, timetable } from '../slots.ts';

/** What authorities have said in the agreement on an epoch, as far as their signatures hold. */
export interface Ballots {
  readonly votes: readonly Said<Vote>[];
  readonly reveals: readonly Said<Reveal>[];
}

export interface Said<T extends Vote | Reveal> {
  readonly value: T;
  readonly digest: string;
  readonly signed: string;
}

/** What is read of a record. */
export interface Heard extends Ballots {
  readonly documents: readonly string[];
  /** What there is more of than can be, for people; the rest of the record is not looked at. */
  readonly excess: string | undefined;
}

export type RecordReader = (record: AgreementRecord) => Heard;

/** Votes, and reveals, of one authority in one slot that are looked at: with the second it is known to be faulty. */
const mostOfOne = 2;

/**
 * Reads the records of an epoch that several URLs have kept, against the keys of the time at which the agreement began. What two of them have is verified
 * once; of no record is more looked at than an authority can have kept that is correct.
 */
export function readRecordsOf(
  { epoch, epochSeconds }: Pick<Consensus, 'epoch' | 'epochSeconds'>,
  trust: Trust & Pick<BallotReader, 'readCertificate'>,
): RecordReader {
  const names = new Set(trust.authorities.map(({ name }) => name));
  const table = timetable(epochSeconds, names.size);
  const slots = table.starts(epoch).length;
  const timesOf = createTimes(table, { epoch, epochSeconds });
  const mostDocuments = 2 * names.size + 2;
  const readerOf = <T extends Vote | Reveal>(
    read: (signed: string, reader: BallotReader) => Ballot<T>,
  ): ((notes: readonly string[]) => { readonly said: Said<T>[]; readonly isExceeded: boolean }) => {
    const known = new Map<string, Said<T> | undefined>();
    const verified = (signed: string, slot: number): Said<T> | undefined => {
      for (const at of timesOf(slot)) {
        const ballot = read(signed, { ...trust, at });
        if (ballot.kind === 'ballot') return { value: ballot.value, digest: ballot.digest, signed };
      }
      return undefined;
    };
    return (notes) => {
      const counts = new Map<string, number>();
      const said: Said<T>[] = [];
      for (const signed of new Set(notes)) {
        const [sender, slot] = [senderOf(signed) ?? '', slotIn(signed)];
        // nobody who counts has said it, or it says no slot
        if (!names.has(sender) || !(slot < slots)) continue;
        const counted = (counts.get(`${slot} ${sender}`) ?? 0) + 1;
        if (counted > mostOfOne) return { said, isExceeded: true };
        counts.set(`${slot} ${sender}`, counted);
        if (!known.has(signed)) known.set(signed, verified(signed, slot));
        said.push(...[known.get(signed)].flatMap((one) => one ?? []));
      }
      return { said, isExceeded: false };
    };
  };
  const [readVotes, readReveals] = [readerOf(readVote), readerOf(readReveal)];
  return (record) => {
    const [votes, reveals] = [readVotes(record.votes), readReveals(record.reveals)];
    const documents = record.documents.slice(0, mostDocuments);
    const tooMany = [
      ...(votes.isExceeded ? [`more than ${mostOfOne} votes of one authority in one slot`] : []),
      ...(reveals.isExceeded ? [`more than ${mostOfOne} reveals of one authority in one slot`] : []),
      ...(documents.length < record.documents.length ? [`more than ${mostDocuments} documents`] : []),
    ];
    const excess = tooMany.length === 0 ? undefined : `its record has ${tooMany.join(', ')}`;
    return { votes: votes.said, reveals: reveals.said, documents, excess };
  };
}

/** When the agreement in a slot may have begun, Unix seconds. */
function createTimes(
  table: Timetable,
  { epoch, epochSeconds }: Pick<Consensus, 'epoch' | 'epochSeconds'>,
): (slot: number) => readonly number[] {
  const starts = table.starts(epoch);
  return (slot) => [Math.floor((starts[slot] ?? 0) / 1_000), epoch * epochSeconds];
}
