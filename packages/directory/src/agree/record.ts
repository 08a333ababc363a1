import { noteIn, noteOf } from '@postern/protocol/consensus';
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
      one === undefined || one.signed === '' ? [] : [[one.digest, noteIn(one.signed)] as const],
    ),
  );
  for (const { digest, note } of signatures.all(epoch)) documents.set(digest, noteOf(note));
  const record = { epoch, votes: of('vote'), reveals: of('reveal'), documents: [...documents.values()] };
  return kept.length + documents.size === 0 ? undefined : record;
}
