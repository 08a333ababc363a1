import { noteIn, noteOf } from '@postern/protocol/consensus';
import type { AgreementRecord } from '../ballots.ts';
import type { AuthorityStore, Kept, KeptName } from '../store.ts';
import type { Signatures } from './signatures.ts';

/** Where the records of an authority come from. */
export interface RecordSources {
  readonly store: Pick<AuthorityStore, 'keptDigests' | 'keptNote' | 'signedFor' | 'issued'>;
  readonly signatures: Pick<Signatures, 'all'>;
}

/**
 * What was said for an epoch, as JSON in pieces, for whoever audits it (spec agreement 9); undefined when there is nothing. It is long, and anybody may
 * ask for it: each note is read from the store when its turn comes, and forgotten. With `of`, votes of that authority alone and no reveals.
 */
export function recordOf(
  { store, signatures }: RecordSources,
  epoch: number,
  of?: string,
): Iterable<string> | undefined {
  const kept = store
    .keptDigests(epoch)
    .filter(
      ({ part, authority }) =>
        of === undefined || part === 'consensus' || (part === 'vote' && authority === of),
    );
  const those = (part: Kept['part']): KeptName[] => kept.filter((one) => one.part === part);
  const notesOf = (part: Kept['part']): Note[] => those(part).map((one) => () => store.keptNote(one));
  const documents = new Map<string, Note>(
    those('consensus').map((one) => [one.digest, () => noteIn(store.keptNote(one))]),
  );
  for (const one of [store.signedFor(epoch), store.issued(epoch)])
    if (one !== undefined && one.signed !== '') documents.set(one.digest, () => noteIn(one.signed));
  for (const { digest, note } of signatures.all(epoch)) documents.set(digest, () => noteOf(note));
  if (kept.length + documents.size === 0) return undefined;
  return piecesOf(epoch, {
    votes: notesOf('vote'),
    reveals: notesOf('reveal'),
    documents: [...documents.values()],
  });
}

type Note = () => string;

function* piecesOf(
  epoch: number,
  lists: Readonly<Record<Exclude<keyof AgreementRecord, 'epoch'>, readonly Note[]>>,
): Generator<string> {
  yield `{"epoch":${epoch}`;
  for (const [name, notes] of Object.entries(lists)) {
    yield `,"${name}":[`;
    for (const [at, note] of notes.entries()) yield `${at === 0 ? '' : ','}${JSON.stringify(note())}`;
    yield ']';
  }
  yield '}';
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
