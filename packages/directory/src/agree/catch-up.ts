import { checkSignatures, formatNote, isBy, parseNote } from '@postern/protocol/codec';
import {
  decodeConsensus,
  type IssuedConsensus,
  maxConsensusLength,
  readIssued,
  type SigningKey,
} from '@postern/protocol/consensus';
import type { Leaf } from '@postern/protocol/log';
import type { Alarms } from '../alarms.ts';
import type { ConsensusLog } from '../log/log.ts';
import type { AuthorityStore } from '../store.ts';
import { type Ledger, short } from './ledger.ts';
import type { Members } from './members.ts';
import { leavesBetween } from './peer-leaves.ts';
import type { Peers } from './peers.ts';
import { createSources, type Sources } from './sources.ts';

export interface CatchUp {
  readonly peers: Peers;
  readonly members: Members;
  readonly store: AuthorityStore;
  /** Of the store. */
  readonly history: Pick<ConsensusLog, 'range'>;
  readonly ledger: Pick<Ledger, 'append'>;
  readonly alarms: Alarms;
  /** Milliseconds. */
  readonly now: () => number;
}

/** A consensus that as many have signed as have to, as an authority has shown it. */
interface Shown {
  readonly name: string;
  readonly read: Extract<IssuedConsensus, { kind: 'consensus' }>;
  readonly signed: string;
}

/**
 * Gets the consensuses that are missing here, up to an epoch, from others who have them (spec agreement 8). The newest must be signed by enough;
 * it names the log of those before it, and so their digests, whoever had to sign those. True if somebody has shown one that is not here.
 */
export async function catchUp(context: CatchUp, upTo: number): Promise<boolean> {
  const shown = await Promise.all(context.peers.names.map((name) => newestOf(context, name)));
  const [newest] = shown
    .flatMap((one) => one ?? [])
    .sort((a, b) => b.read.consensus.epoch - a.read.consensus.epoch);
  if (newest === undefined) return false;
  await follow(context, newest, upTo);
  return true;
}

/** The newest consensus of an authority, if it is none that is here; what it says of it counts for nothing. */
async function newestOf(
  { peers, members, store, alarms }: CatchUp,
  name: string,
): Promise<Shown | undefined> {
  const holdings = await peers.ask(name, '/v1/agreement', { maxBytes: 4_096 });
  const epoch = holdings.kind === 'answer' && holdings.status === 200 ? newestIn(holdings.text) : undefined;
  if (epoch === undefined || epoch <= (store.latest()?.epoch ?? -1)) return undefined;
  const answer = await peers.ask(name, `/v1/consensus/${epoch}`, { maxBytes: mostBytes });
  if (answer.kind !== 'answer') return undefined;
  const read = answer.status === 200 ? readIssued(answer.text, members) : undefined;
  if (read?.kind === 'consensus' && read.consensus.epoch === epoch) {
    alarms.clear('unproven-history', name);
    return { name, read, signed: answer.text };
  }
  const why = read?.kind === 'refused' ? read.detail : 'it does not show it';
  alarms.raise(
    'unproven-history',
    name,
    `it has no good consensus for epoch ${epoch}, though it says so: ${why}`,
  );
  return undefined;
}

async function follow(context: CatchUp, newest: Shown, upTo: number): Promise<void> {
  const { members, ledger, alarms, history, store } = context;
  const { epoch, log } = newest.read.consensus;
  const between = await leavesBetween(context.peers, history.range(), log);
  if (between === 'fork') {
    const before = short(store.latest()?.digest ?? '');
    const why = `the consensus that it has for epoch ${epoch}, signed by enough, does not follow on ${before} here`;
    return alarms.raise('fork', newest.name, why);
  }
  if (between === undefined) return;
  alarms.clear('fork', newest.name);
  const sources = createSources(context.peers, context.now);
  for (const leaf of [...between, { epoch, digest: newest.read.digest }]) {
    if (leaf.epoch > upTo) return;
    const signed = leaf.epoch === epoch ? newest.signed : await documentOf(leaf, sources);
    const read = signed === undefined ? undefined : decodeConsensus(signed);
    if (signed === undefined || read === undefined) return;
    const note = verifiedAlone(signed, members, read.consensus.validAfter);
    if (ledger.append({ read, signed: note }) !== 'issued') return;
  }
}

/** The consensus of a leaf, which says which one it is, from whoever has it. */
function documentOf({ epoch, digest }: Leaf, sources: Sources): Promise<string | undefined> {
  const question = { maxBytes: mostBytes };
  return sources.get(`/v1/consensus/${epoch}`, question, (signed) =>
    decodeConsensus(signed)?.digest === digest ? signed : undefined,
  );
}

/**
 * A note under those of its signatures alone that hold, one of each authority, if these are enough. Of the keys that signed an older one there
 * may be no certificate any more: that one stays as it came.
 */
function verifiedAlone(signed: string, { signingKeys, threshold }: Members, at: number): string {
  const note = parseNote(signed, maxConsensusLength);
  if (note === undefined) return signed;
  const timely = signingKeys.filter(({ validAfter, validUntil }) => validAfter <= at && at < validUntil);
  const good = new Map<string, (typeof note.signatures)[number]>();
  for (const signature of note.signatures) {
    const key = timely.find((one) => isBy(signature, one));
    if (key !== undefined && holds(note, signature, key)) good.set(key.name, signature);
  }
  return good.size < threshold ? signed : formatNote({ ...note, signatures: [...good.values()] });
}

function holds(
  note: NonNullable<ReturnType<typeof parseNote>>,
  signature: (typeof note.signatures)[number],
  key: SigningKey,
): boolean {
  const verdict = checkSignatures({ ...note, signatures: [signature] }, [key]);
  return verdict.kind === 'checked' && verdict.keys.length === 1;
}

/** Longest note of a consensus, bytes. */
const mostBytes = 2 * maxConsensusLength;

/** The epoch that an authority says its newest consensus is for. */
function newestIn(text: string): number | undefined {
  try {
    const { newest } = JSON.parse(text) as { readonly newest?: unknown };
    return Number.isSafeInteger(newest) ? Number(newest) : undefined;
  } catch {
    return undefined;
  }
}
