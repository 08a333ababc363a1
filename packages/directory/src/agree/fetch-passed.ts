import { certifiedLength, maxRevealLength, maxVoteLength } from '@postern/protocol/consensus';
import type { BallotFault, Part, Receipt } from '../ballots.ts';
import type { Peers } from './peers.ts';

export interface FetchPassedOptions {
  readonly peers: Pick<Peers, 'ask'>;
  /** Of all authorities: each says two things in each part at most. */
  readonly members: number;
  /** Whether what has this digest is here. */
  holds(digest: string): boolean;
  receive(name: string, part: Part, signed: string): Receipt;
}

const parts: readonly Part[] = ['vote', 'reveal'];
const longest: Readonly<Record<Part, number>> = {
  vote: certifiedLength(maxVoteLength),
  reveal: certifiedLength(maxRevealLength),
};

/** After these the same text may be taken later on; after any other it is not. */
const passing: readonly BallotFault[] = ['early', 'not-ready', 'too-often'];

/** Comes for what another authority passes on, as far as it is not here and that one has not given it before (spec agreement 3.4). */
export function createFetchPassed({
  peers,
  members,
  holds,
  receive,
}: FetchPassedOptions): (name: string) => Promise<void> {
  /** By name; forgotten once it is listed no more. */
  const given = new Map<string, ReadonlySet<string>>();
  return async (name) => {
    const answer = await peers.ask(name, '/v1/agreement/passed', { maxBytes: 262_144 });
    if (answer.kind !== 'answer' || answer.status !== 200) return;
    const list = readPassed(answer.text, 2 * members);
    if (list === undefined) return;
    const before = given.get(name) ?? new Set();
    const now = new Set<string>();
    given.set(name, now);
    for (const part of parts) {
      for (const digest of list[part]) {
        if (!before.has(digest) && !holds(digest)) {
          const path = `/v1/agreement/passed/${digest}`;
          const one = await peers.ask(name, path, { maxBytes: 2 * longest[part] });
          if (one.kind !== 'answer' || one.status !== 200) continue;
          const receipt = receive(name, part, one.text);
          if (receipt.kind === 'refused' && passing.includes(receipt.reason)) continue;
        }
        now.add(digest);
      }
    }
  };
}

/** Digests that another authority says it passes on, of each part no more than `most`; undefined when that is no list of them. */
export function readPassed(text: string, most: number): Record<Part, readonly string[]> | undefined {
  const isDigests = (list: unknown): list is string[] =>
    Array.isArray(list) &&
    list.length <= most &&
    list.every((one) => typeof one === 'string' && /^[0-9a-f]{64}$/.test(one));
  try {
    const { votes, reveals } = JSON.parse(text) as { readonly votes?: unknown; readonly reveals?: unknown };
    return isDigests(votes) && isDigests(reveals) ? { vote: votes, reveal: reveals } : undefined;
  } catch {
    return undefined;
  }
}
