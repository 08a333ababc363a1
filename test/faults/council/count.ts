import {
  type Consensus,
  parseAuthorityKey,
  readConsensus,
  type SigningKey,
  verifyCertificate,
} from '@postern/protocol/consensus';
import type { Council } from './authorities.ts';

/** What came of some epochs. */
export interface Count {
  /** The consensus of each epoch for which a document has enough signatures, be they in one place or not. */
  readonly consensuses: ReadonlyMap<number, Counted>;
  /** Epochs of which two have enough signatures, or that do not follow on the one before. */
  readonly forks: number;
  /** Authorities that have signed two documents for one epoch, by name and epoch. */
  readonly signedTwice: readonly string[];
}

export interface Counted {
  /** Who has a vote in it, and whose value. */
  readonly votes: readonly string[];
  readonly reveals: readonly string[];
  /** Nodes that stand. */
  readonly standing: number;
}

/** Asks all authorities for all that they have of some epochs. */
export async function count(
  { authorities }: Council,
  epochs: { readonly from: number; readonly to: number },
  threshold: number,
): Promise<Count> {
  const trust = {
    authorities: authorities.map(({ vkey }) => parseAuthorityKey(vkey)),
    signingKeys: [] as SigningKey[],
  };
  for (const { url } of authorities) {
    for (const signed of (await (await fetch(`${url}/v1/certificates`)).json()) as string[]) {
      const verified = verifyCertificate(signed, trust);
      if (verified.kind === 'certificate') trust.signingKeys.push(verified.key);
    }
  }
  const signedTwice: string[] = [];
  const consensuses = new Map<number, Counted>();
  let [forks, last] = [0, ''];
  for (let epoch = epochs.from; epoch <= epochs.to; epoch++) {
    const signers = new Map<string, Set<string>>();
    const documents = new Map<string, { readonly consensus: Consensus; readonly by: Set<string> }>();
    for (const { url } of authorities) {
      const answer = await fetch(`${url}/v1/agreement/${epoch}`);
      if (answer.status !== 200) continue;
      for (const signed of ((await answer.json()) as { documents: string[] }).documents) {
        const read = readConsensus(signed, trust);
        if (read.kind === 'refused') throw new Error(read.detail);
        const { digest, consensus } = read;
        const { by } = documents.get(digest) ?? { by: new Set<string>() };
        documents.set(digest, { consensus, by });
        for (const name of read.signedBy) {
          by.add(name);
          signers.set(name, (signers.get(name) ?? new Set()).add(digest));
        }
      }
    }
    for (const [name, digests] of signers) if (digests.size > 1) signedTwice.push(`${name} ${epoch}`);
    const complete = [...documents].filter(([, { by }]) => by.size >= threshold);
    const [only] = complete;
    if (only === undefined) continue;
    const [digest, { consensus }] = only;
    consensuses.set(epoch, countedIn(consensus));
    if (complete.length > 1 || (last !== '' && consensus.previous !== last)) forks += 1;
    last = digest;
  }
  return { consensuses, forks, signedTwice };
}

function countedIn({ votes, reveals, nodes, rest }: Consensus): Counted {
  const names = (all: Consensus['votes']): string[] => all.map(({ authority }) => authority);
  return { votes: names(votes), reveals: names(reveals), standing: nodes.length + rest.count };
}
