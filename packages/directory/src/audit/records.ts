import type { Trust, Vote } from '@postern/protocol/consensus';
import type { AgreementRecord } from '../ballots.ts';
import { remembering } from '../peer-certificates.ts';
import { findEquivocations, gatherDocuments, type Sourced } from './equivocations.ts';
import type { Found } from './found.ts';
import type { Proofs, Sighting } from './proofs.ts';
import { type Certified, NotServed, type Served } from './served.ts';
import { type Ballots, type Heard, type RecordReader, readRecordsOf, type Said } from './verified-ballots.ts';

/** A URL that is asked for what it has kept of an epoch. */
export interface Asked {
  readonly served: Pick<Served, 'url' | 'record'>;
  readonly epochSeconds: number;
}

/** What was said in the agreements, as all URLs together have kept it. */
export interface Records {
  /** Looks for who has said two things for an epoch, in what was kept and in consensuses at hand. What each URL has of ballots. */
  hear(
    epoch: number,
    asked: readonly Asked[],
    atHand: readonly Sighting[],
  ): Promise<ReadonlyMap<string, Ballots>>;
}

interface RecordsOptions {
  readonly trust: Trust;
  readonly certified: readonly Certified[];
  readonly found: Found;
  readonly proofs: Proofs;
}

export function createRecords({ trust, certified, found, proofs }: RecordsOptions): Records {
  const reader = { ...trust, readCertificate: remembering() };
  const recordOf = async (
    { url, record }: Asked['served'],
    epoch: number,
  ): Promise<AgreementRecord | undefined> => {
    if (found.isGivenUp(url)) return undefined;
    try {
      return await record(epoch);
    } catch (error) {
      if (!(error instanceof NotServed)) throw error;
      // it is kept by whoever wants to
      found.failed(url);
      return undefined;
    }
  };
  return {
    async hear(epoch, asked, atHand) {
      const records = await Promise.all(asked.map(({ served }) => recordOf(served, epoch)));
      const readers = new Map<number, RecordReader>();
      const heard = asked.flatMap(({ served: { url }, epochSeconds }, at): (Heard & { url: string })[] => {
        const record = records[at];
        if (record === undefined) return [];
        const read = readers.get(epochSeconds) ?? readRecordsOf({ epoch, epochSeconds }, reader);
        readers.set(epochSeconds, read);
        return [{ url, ...read(record) }];
      });
      for (const { url, excess } of heard)
        if (excess !== undefined) found.add({ url, reason: 'bad-record', epoch, detail: excess });
      const votes = heard.flatMap(({ url, votes }) => votes.map((of): Sourced<Said<Vote>> => ({ url, of })));
      const documents = [
        ...atHand.flatMap(({ url, signed, read }) =>
          read.consensus.epoch === epoch ? [{ url, of: signed }] : [],
        ),
        ...heard.flatMap(({ url, documents }) => documents.map((of) => ({ url, of }))),
      ];
      const said = gatherDocuments(documents, trust, certified);
      if (said.sightings.length > 0) proofs.look([...atHand, ...said.sightings]);
      for (const finding of [...findEquivocations(votes), ...said.findings]) found.add(finding);
      return new Map(heard.map((one) => [one.url, one]));
    },
  };
}
