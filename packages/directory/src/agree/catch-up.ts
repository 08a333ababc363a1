import { decodeConsensus, maxConsensusLength, readConsensus } from '@postern/protocol/consensus';
import type { Alarms } from '../alarms.ts';
import type { AuthorityStore } from '../store.ts';
import { type Ledger, short } from './ledger.ts';
import type { Members } from './members.ts';
import type { Peers } from './peers.ts';

export interface CatchUp {
  readonly peers: Peers;
  readonly members: Members;
  readonly store: AuthorityStore;
  readonly ledger: Ledger;
  readonly alarms: Alarms;
}

/** The epochs of the consensuses that an authority says it has. */
interface Holdings {
  readonly name: string;
  readonly first: number;
  readonly newest: number;
}

/**
 * Gets the consensuses that are missing here, up to an epoch, from others who have them (spec agreement 8). The newest must be signed by enough;
 * it leads back to the others by their digests, whoever had to sign those. True if somebody has any.
 */
export async function catchUp(context: CatchUp, upTo: number): Promise<boolean> {
  const { peers, store } = context;
  const held = await Promise.all(peers.names.map((name) => holdingsOf(peers, name)));
  const newestFirst = held.flatMap((one) => one ?? []).sort((a, b) => b.newest - a.newest);
  for (const { name, first, newest } of newestFirst) {
    const from = Math.max(first, (store.latest()?.epoch ?? -1) + 1);
    const to = Math.min(newest, upTo);
    if (from <= to) await follow(context, name, { from, to });
  }
  return newestFirst.length > 0;
}

async function follow(
  { peers, members, store, ledger, alarms }: CatchUp,
  name: string,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<void> {
  const get = async (epoch: number): Promise<string | undefined> => {
    const answer = await peers.ask(name, `/v1/consensus/${epoch}`, { maxBytes: 2 * maxConsensusLength });
    return answer.kind === 'answer' && answer.status === 200 ? answer.text : undefined;
  };
  const last = store.latest()?.digest ?? '';
  const chain: { readonly epoch: number; readonly digest: string }[] = [];
  let expected: string | undefined;
  let only: string | undefined;
  for (let epoch = to; epoch >= from && expected !== last; epoch--) {
    const signed = await get(epoch);
    if (signed === undefined) continue;
    const read = expected === undefined ? readWhole(signed, members) : decodeConsensus(signed);
    if (read === undefined || (expected !== undefined && read.digest !== expected)) return;
    expected = read.consensus.previous;
    only = chain.length === 0 ? signed : undefined;
    chain.unshift({ epoch, digest: read.digest });
  }
  if (expected === undefined) return;
  if (expected !== last) {
    const why = `the consensuses that it has up to epoch ${to} do not follow on ${short(last)} here`;
    return alarms.raise('fork', name, why);
  }
  alarms.clear('fork', name);
  for (const { epoch, digest } of chain) {
    const signed = only ?? (await get(epoch));
    const read = signed === undefined ? undefined : decodeConsensus(signed);
    if (signed === undefined || read?.digest !== digest) return;
    if (ledger.append({ read, signed }) !== 'issued') return;
  }
}

/** The newest: by as many as have to sign. */
function readWhole(signed: string, members: Members): ReturnType<typeof decodeConsensus> {
  const read = readConsensus(signed, members);
  return read.kind === 'signed' && read.signedBy.length >= members.threshold ? read : undefined;
}

async function holdingsOf(peers: Peers, name: string): Promise<Holdings | undefined> {
  const answer = await peers.ask(name, '/v1/agreement', { maxBytes: 4_096 });
  if (answer.kind !== 'answer' || answer.status !== 200) return undefined;
  try {
    const { first, newest } = JSON.parse(answer.text) as { first?: unknown; newest?: unknown };
    if (!Number.isSafeInteger(first) || !Number.isSafeInteger(newest)) return undefined;
    return { name, first: Number(first), newest: Number(newest) };
  } catch {
    return undefined;
  }
}
