import { noteIn, noteOf } from '@postern/protocol/consensus';
import type { AgreementRecord } from '../ballots.ts';
import type { AuthorityStore } from '../store.ts';
import type { Signatures } from './signatures.ts';

/** Most records that are held ready. */
const mostReady = 2;

/** Where the records of an authority come from. */
export interface RecordSources {
  readonly store: Pick<AuthorityStore, 'kept' | 'countKept' | 'signedFor' | 'issued' | 'latest'>;
  readonly signatures: Pick<Signatures, 'all'>;
}

/**
 * What was said for an epoch, as JSON, for whoever audits it (spec agreement 9); undefined when there is nothing. It is long, and anybody may ask for it:
 * while nothing has been added it is not put together again.
 */
export function createRecords(sources: RecordSources): (epoch: number) => string | undefined {
  const { store, signatures } = sources;
  const ready = new Map<number, { readonly state: string; readonly text: string | undefined }>();
  const stateOf = (epoch: number): string => {
    const claims = signatures.all(epoch).map(({ digest, signedBy }) => `${digest} ${signedBy.length}`);
    return [store.countKept(epoch), (store.latest()?.epoch ?? -1) >= epoch, ...claims].join();
  };
  return (epoch) => {
    const state = stateOf(epoch);
    const before = ready.get(epoch);
    if (before?.state === state) return before.text;
    const record = recordOf(sources, epoch);
    const text = record && JSON.stringify(record);
    ready.delete(epoch);
    ready.set(epoch, { state, text });
    for (const other of ready.keys()) if (ready.size > mostReady) ready.delete(other);
    return text;
  };
}

function recordOf({ store, signatures }: RecordSources, epoch: number): AgreementRecord | undefined {
  const kept = store.kept(epoch);
  const of = (part: string): string[] => kept.flatMap((one) => (one.part === part ? one.signed : []));
  const own = store.signedFor(epoch);
  const documents = new Map(
    [...kept.filter(({ part }) => part === 'consensus'), own, store.issued(epoch)].flatMap((one) =>
      one === undefined || one.signed === '' ? [] : [[one.digest, noteIn(one.signed)] as const],
    ),
  );
  for (const { digest, note } of signatures.all(epoch)) documents.set(digest, noteOf(note));
  const record = { epoch, votes: of('vote'), reveals: of('reveal'), documents: [...documents.values()] };
  return kept.length + documents.size === 0 ? undefined : record;
}

/** What another authority has served as the record of an epoch; undefined when it is none. */
export function readRecord(epoch: number, text: string): AgreementRecord | undefined {
  const isNotes = (list: unknown): list is string[] =>
    Array.isArray(list) && list.every((one) => typeof one === 'string');
  try {
    const { votes, reveals, documents } = JSON.parse(text) as Partial<Record<keyof AgreementRecord, unknown>>;
    if (!isNotes(votes) || !isNotes(reveals) || !isNotes(documents)) return undefined;
    return { epoch, votes, reveals, documents };
  } catch {
    return undefined;
  }
}
