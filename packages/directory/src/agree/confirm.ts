import { parseNote } from '@postern/protocol/codec';
import {
  ballotDigest,
  decodeConsensus,
  maxConsensusLength,
  readConsensus,
  readVote,
} from '@postern/protocol/consensus';
import type { Alarms } from '../alarms.ts';
import type { AuthorityStore } from '../store.ts';
import type { Members } from './members.ts';
import type { Peers } from './peers.ts';
import { readRecord } from './record.ts';
import { senderOf } from './rounds.ts';

/** Longest record that is read, bytes. */
const maxRecordBytes = 67_108_864;

export interface Confirm {
  readonly peers: Peers;
  readonly members: Members;
  readonly store: AuthorityStore;
  readonly alarms: Alarms;
}

/**
 * Asks the others what they have of this authority for an epoch, since its store may be an older one that was restored (spec agreement 6.4). What
 * the store does not know of shows that it is, and the epoch is spent. True once so many have answered that nobody can have got a document
 * through with its signature whom none of them knows. `starts` is when the slots of that epoch begin, milliseconds.
 */
export async function confirm(
  { peers, members, store, alarms }: Confirm,
  { epoch, starts }: { readonly epoch: number; readonly starts: readonly number[] },
): Promise<boolean> {
  const { name } = members;
  const known = new Set([
    ...store.keptDigests(epoch).map(({ digest }) => digest),
    ...[store.signedFor(epoch), store.issued(epoch)].flatMap((one) => one?.digest ?? []),
  ]);
  /** What a vote that is said to be of this authority shows. */
  const inVote = (signed: string): Found => {
    if (known.has(ballotDigest(signed) ?? '')) return 'nothing';
    const slot = Number(/"slot":(\d+)/.exec(signed)?.[1]);
    const startMs = starts[slot];
    if (startMs === undefined) return 'unreadable';
    const vote = readVote(signed, { ...members, at: Math.floor(startMs / 1_000) });
    if (vote.kind === 'refused' || vote.value.authority !== name) return 'unreadable';
    return vote.value.epoch === epoch && vote.value.slot === slot ? { document: '' } : 'unreadable';
  };
  const inDocument = (signed: string): Found => {
    const names = parseNote(signed, maxConsensusLength)?.signatures.map((one) => one.name);
    const decoded = names?.includes(name) ? decodeConsensus(signed) : undefined;
    if (decoded === undefined || known.has(decoded.digest)) return 'nothing';
    const read = readConsensus(signed, members);
    const isSo = read.kind === 'signed' && read.consensus.epoch === epoch && read.signedBy.includes(name);
    return isSo ? { document: read.digest } : 'unreadable';
  };
  const ask = async (other: string): Promise<boolean> => {
    const path = `/v1/agreement/${epoch}?of=${encodeURIComponent(name)}`;
    const answer = await peers.ask(other, path, { maxBytes: maxRecordBytes });
    if (answer.kind !== 'answer') return false;
    if (answer.status === 404) return true;
    const record = answer.status === 200 ? readRecord(epoch, answer.text) : undefined;
    if (record === undefined) return false;
    const said = record.votes.filter((signed) => senderOf(signed) === name);
    // each takes its time, and who makes some up has no end of them: that one has not answered
    if (said.length > 2 * starts.length || record.documents.length > 2 * members.names.length + 2)
      return false;
    // the document first, since it says more
    const found = firstOf(record.documents, inDocument) ?? firstOf(said, inVote);
    // who is correct has taken nothing that does not hold
    if (found === 'unreadable') return false;
    if (found !== undefined) {
      store.spend(epoch, found.document);
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

/** What something shows that another authority has: what was said here and is not known here any more, with the digest of a document or ''. */
type Found = 'nothing' | 'unreadable' | { readonly document: string };

function firstOf(
  notes: readonly string[],
  find: (signed: string) => Found,
): Exclude<Found, 'nothing'> | undefined {
  for (const signed of notes) {
    const found = find(signed);
    if (found !== 'nothing') return found;
  }
  return undefined;
}
