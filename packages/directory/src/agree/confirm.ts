import { readConsensus, readVote } from '@postern/protocol/consensus';
import type { Alarms } from '../alarms.ts';
import type { AuthorityStore } from '../store.ts';
import type { Members } from './members.ts';
import type { Peers } from './peers.ts';
import { readRecord } from './record.ts';
import { senderOf } from './rounds.ts';

/** Longest record that is read, bytes. */
const maxRecordBytes = 67_108_864;

/** Votes of its own for one epoch that an authority reads in a record: one for each slot, and few slots come to nothing. */
const mostVotes = 256;

export interface Confirm {
  readonly peers: Peers;
  readonly members: Members;
  readonly store: AuthorityStore;
  readonly alarms: Alarms;
}

/**
 * Asks the others what they have of this authority for an epoch, since its store may be an older one that was restored (spec agreement 6.4). What
 * the store does not know of shows that it is, and the epoch is spent. True once so many have answered that nobody can have got a document
 * through with its signature whom none of them knows. `at`, Unix seconds, is a time of that epoch's slots.
 */
export async function confirm(
  { peers, members, store, alarms }: Confirm,
  { epoch, at }: { readonly epoch: number; readonly at: number },
): Promise<boolean> {
  const { name } = members;
  const known = new Set([
    ...store.kept(epoch).map(({ digest }) => digest),
    ...[store.signedFor(epoch), store.issued(epoch)].flatMap((one) => one?.digest ?? []),
  ]);
  const isOurs = (digest: string, signedBy: readonly string[]): boolean =>
    signedBy.includes(name) && !known.has(digest);
  const ask = async (other: string): Promise<boolean> => {
    const answer = await peers.ask(other, `/v1/agreement/${epoch}`, { maxBytes: maxRecordBytes });
    if (answer.kind !== 'answer') return false;
    if (answer.status === 404) return true;
    const record = answer.status === 200 ? readRecord(epoch, answer.text) : undefined;
    if (record === undefined) return false;
    const said = record.votes.filter((signed) => senderOf(signed) === name);
    // each takes its time, and who makes some up has no end of them: that one has not answered
    if (said.length > mostVotes || record.documents.length > 2 * members.names.length + 2) return false;
    const votes = said.some((signed) => {
      const vote = readVote(signed, { ...members, at });
      return vote.kind === 'ballot' && vote.value.authority === name && isOurs(vote.digest, vote.signedBy);
    });
    const [document] = record.documents.flatMap((signed) => {
      const read = readConsensus(signed, members);
      const isSo =
        read.kind === 'signed' && read.consensus.epoch === epoch && isOurs(read.digest, read.signedBy);
      return isSo ? [read.digest] : [];
    });
    if (votes || document !== undefined) {
      store.spend(epoch, document ?? '');
      const why = `${other} has what this authority said for epoch ${epoch}, and its store has not: was it restored? It signs nothing for that epoch`;
      alarms.raise('store-restored', name, why);
    }
    return true;
  };
  const answered = await Promise.all(members.others.map((other) => ask(other.name)));
  return answered.filter((one) => one).length >= confirmations(members);
}

/**
 * Of so many others one has not lied: while messages are in time any correct one knows of every vote, and otherwise one of them has to have signed
 * the document itself, of which *t* − 1 others have and as many may be faulty as any two documents bear (spec agreement 6.4).
 */
export function confirmations({ threshold, others }: Pick<Members, 'threshold' | 'others'>): number {
  return Math.min(threshold, others.length);
}
