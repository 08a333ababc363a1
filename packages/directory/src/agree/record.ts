import type { AgreementRecord } from '../ballots.ts';
import type { AuthorityStore } from '../store.ts';
import type { Signatures } from './signatures.ts';

/** What was said for an epoch, for whoever audits it (spec agreement 9). */
export function recordOf(
  store: AuthorityStore,
  signatures: Signatures,
  epoch: number,
): AgreementRecord | undefined {
  const kept = store.kept(epoch);
  const of = (part: string): string[] => kept.flatMap((one) => (one.part === part ? one.signed : []));
  const own = store.signedFor(epoch);
  const documents = new Map(
    [...kept.filter(({ part }) => part === 'consensus'), own, store.issued(epoch)].flatMap((one) =>
      one === undefined || one.signed === '' ? [] : [[one.digest, one.signed] as const],
    ),
  );
  for (const { digest, signed } of signatures.all(epoch)) documents.set(digest, signed);
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
