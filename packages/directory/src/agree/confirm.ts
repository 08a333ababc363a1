import { parseNote } from '@postern/protocol/codec';
import {
  ballotDigest,
  decodeConsensus,
  maxConsensusLength,
  readConsensus,
  readVote,
} from '@postern/protocol/consensus';
import type { Alarms } from '../alarms.ts';
import type { Answer } from '../ask.ts';
import type { AuthorityStore } from '../store.ts';
import { documentOf, tellUsedTwice, voteIn } from './accuse.ts';
import { votesIn } from './kept.ts';
import type { Members } from './members.ts';
import type { Peers } from './peers.ts';
import { readRecord } from './record.ts';
import { senderOf, slotIn } from './rounds.ts';

/** Longest record that is read, bytes. */
const maxRecordBytes = 67_108_864;

export interface Confirm {
  readonly peers: Peers;
  readonly members: Members;
  readonly store: AuthorityStore;
  readonly alarms: Alarms;
}

interface Slots {
  readonly epoch: number;
  /** When the slots of that epoch begin, milliseconds. */
  readonly starts: readonly number[];
}

/**
 * Asks the others what they have of this authority for an epoch, since its store may be an older one that was restored (spec agreement 6.4). What
 * the store does not know of shows that it is, and the epoch is spent. True once so many have answered that nobody can have got a document
 * through with its signature whom none of them knows.
 */
export async function confirm(context: Confirm, slots: Slots): Promise<boolean> {
  const { members, store, alarms } = context;
  const { epoch } = slots;
  const answered = await askOthers(context, slots, (other, { document = '' }) => {
    store.spend(epoch, document);
    const why = `${other} has what this authority said for epoch ${epoch}, and its store has not: was it restored, or do its keys run a second time? It signs nothing for that epoch`;
    alarms.raise('store-restored', members.name, why);
  });
  return answered >= confirmations(members);
}

/** Asks the others for what they have under this authority's name of an epoch in which it knows all that it has said: anything else is somebody else's (spec agreement 6.5). */
export async function lookBack(context: Confirm, slots: Slots): Promise<void> {
  const { members, store, alarms } = context;
  const { name } = members;
  const { epoch } = slots;
  await askOthers(context, slots, (_, found) => {
    if (found.document !== undefined) return tellUsedTwice(name, alarms, documentOf(epoch, found.document));
    const { digest, signed, slot } = found.vote;
    // two show it, and nobody keeps more of one in a slot who is correct
    if (votesIn(store, name, { epoch, slot }).length < 2)
      store.keep([{ epoch, part: 'vote', authority: name, digest, signed }]);
    tellUsedTwice(name, alarms, voteIn({ epoch, slot }));
  });
}

/** Whether an authority has answered, and not a server that has nothing at all at this path. */
function hasNothing({ by, text }: Extract<Answer, { kind: 'answer' }>): boolean {
  return by !== undefined && !text.includes('"error":"no-such-path"');
}

/** What others have that is not known here, from each the first; gives how many have answered. */
async function askOthers(
  { peers, members, store }: Confirm,
  { epoch, starts }: Slots,
  tell: (other: string, found: Foreign) => void,
): Promise<number> {
  const { name } = members;
  /** Looked at when an answer has come: this authority may have said more meanwhile. */
  const isKnown = (digest: string | undefined): boolean =>
    store.keptDigests(epoch).some((one) => one.digest === digest) ||
    [store.signedFor(epoch), store.issued(epoch)].some((one) => one?.digest === digest);
  /** What a vote that is said to be of this authority shows. */
  const inVote = (signed: string): Found => {
    const digest = ballotDigest(signed);
    if (digest === undefined) return 'unreadable';
    if (isKnown(digest)) return 'nothing';
    const slot = slotIn(signed);
    const startMs = starts[slot];
    if (startMs === undefined) return 'unreadable';
    const vote = readVote(signed, { ...members, at: Math.floor(startMs / 1_000) });
    if (vote.kind === 'refused' || vote.value.authority !== name) return 'unreadable';
    const isSo = vote.value.epoch === epoch && vote.value.slot === slot;
    return isSo ? { vote: { digest, signed, slot } } : 'unreadable';
  };
  const inDocument = (signed: string): Found => {
    const names = parseNote(signed, maxConsensusLength)?.signatures.map((one) => one.name);
    const decoded = names?.includes(name) ? decodeConsensus(signed) : undefined;
    if (decoded === undefined || isKnown(decoded.digest)) return 'nothing';
    const read = readConsensus(signed, members);
    const isSo = read.kind === 'signed' && read.consensus.epoch === epoch && read.signedBy.includes(name);
    return isSo ? { document: read.digest } : 'unreadable';
  };
  const ask = async (other: string): Promise<boolean> => {
    const path = `/v1/agreement/${epoch}?of=${encodeURIComponent(name)}`;
    const answer = await peers.ask(other, path, { maxBytes: maxRecordBytes });
    if (answer.kind !== 'answer') return false;
    if (answer.status === 404) return hasNothing(answer);
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
    if (found !== undefined) tell(other, found);
    return true;
  };
  const answered = await Promise.all(members.others.map((other) => ask(other.name)));
  return answered.filter((one) => one).length;
}

/**
 * Of so many others one has not lied: while messages are in time any correct one knows of every vote, and otherwise one of them has to have signed
 * the document itself, of which *t* − 1 others have and as many may be faulty as any two documents bear (spec agreement 6.4).
 */
export function confirmations({ threshold, others }: Pick<Members, 'threshold' | 'others'>): number {
  return Math.min(threshold, others.length);
}

/** What another authority has that was said under this one's name and is not known here: a vote, or a document by its digest. */
type Foreign =
  | { readonly document: string }
  | {
      readonly document?: undefined;
      readonly vote: { readonly digest: string; readonly signed: string; readonly slot: number };
    };

type Found = 'nothing' | 'unreadable' | Foreign;

function firstOf(
  notes: readonly string[],
  find: (signed: string) => Found,
): 'unreadable' | Foreign | undefined {
  for (const signed of notes) {
    const found = find(signed);
    if (found !== 'nothing') return found;
  }
  return undefined;
}
