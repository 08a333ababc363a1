import { decodeConsensus, type IssuedConsensus, readIssued } from '@postern/protocol/consensus';
import type { Leaf } from '@postern/protocol/log';
import type { Alarms } from '../alarms.ts';
import type { ConsensusLog } from '../log/log.ts';
import type { PeerCertificates } from '../peer-certificates.ts';
import type { AuthorityStore } from '../store.ts';
import { type Ledger, short } from './ledger.ts';
import type { Members } from './members.ts';
import { leavesBetween } from './peer-leaves.ts';
import type { Peers } from './peers.ts';
import { createProver, mostConsensusBytes } from './proven.ts';
import { createSources, type Sources } from './sources.ts';

export interface CatchUp {
  readonly peers: Peers;
  readonly members: Members;
  readonly store: AuthorityStore;
  /** Of the store. */
  readonly history: Pick<ConsensusLog, 'range'>;
  readonly ledger: Pick<Ledger, 'append'>;
  readonly alarms: Alarms;
  readonly certificates: Pick<PeerCertificates, 'keepOf'>;
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
  const epoch = holdings.kind === 'answer' && holdings.status === 200 ? readNewest(holdings.text) : undefined;
  if (epoch === undefined || epoch <= (store.latest()?.epoch ?? -1)) return undefined;
  const answer = await peers.ask(name, `/v1/consensus/${epoch}`, { maxBytes: mostConsensusBytes });
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
  const { ledger, alarms, history, store } = context;
  const { epoch, log } = newest.read.consensus;
  // signatures for it may have come meanwhile: the log here is longer then than the one that it names
  if (store.issued(epoch)?.digest === newest.read.digest) return;
  const between = await leavesBetween(context.peers, history.range(), log);
  if (between === 'fork') {
    const before = short(store.latest()?.digest ?? '');
    const why = `the consensus that it has for epoch ${epoch}, signed by enough, does not follow on ${before} here`;
    return alarms.raise('fork', newest.name, why);
  }
  if (between === undefined) return;
  alarms.clear('fork', newest.name);
  const sources = createSources(context.peers, context.now);
  const leaves = [...between, { epoch, digest: newest.read.digest }];
  const prove = createProver({ ...context, leaves, proven: context.certificates.keepOf });
  for (const leaf of leaves) {
    if (leaf.epoch > upTo) return;
    const signed = leaf.epoch === epoch ? newest.signed : await documentOf(leaf, sources);
    const read = signed === undefined ? undefined : decodeConsensus(signed);
    if (signed === undefined || read === undefined) return;
    const proven = await prove({ epoch: leaf.epoch, at: read.consensus.validAfter, signed });
    if (ledger.append({ read, signed: proven }) !== 'issued') return;
  }
}

/** The consensus of a leaf, which says which one it is, from whoever has it. */
function documentOf({ epoch, digest }: Leaf, sources: Sources): Promise<string | undefined> {
  const question = { maxBytes: mostConsensusBytes };
  return sources.get(`/v1/consensus/${epoch}`, question, (signed) =>
    decodeConsensus(signed)?.digest === digest ? signed : undefined,
  );
}

/** The epoch that an authority says its newest consensus is for. */
export function readNewest(text: string): number | undefined {
  try {
    const { newest } = JSON.parse(text) as { readonly newest?: unknown };
    return Number.isSafeInteger(newest) && Number(newest) >= 0 ? Number(newest) : undefined;
  } catch {
    return undefined;
  }
}
