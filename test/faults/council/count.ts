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
  /** The consensus of each epoch that has one: who has a vote in it, and whose value. */
  readonly consensuses: ReadonlyMap<number, { readonly votes: string[]; readonly reveals: string[] }>;
  /** Epochs of which two have enough signatures, or that do not follow on the one before. */
  readonly forks: number;
  /** Authorities that have signed two documents for one epoch, by name and epoch. */
  readonly signedTwice: readonly string[];
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
  const consensuses = new Map<number, { votes: string[]; reveals: string[] }>();
  let [forks, last] = [0, ''];
  for (let epoch = epochs.from; epoch <= epochs.to; epoch++) {
    const signers = new Map<string, Set<string>>();
    const complete = new Map<string, Consensus>();
    for (const { url } of authorities) {
      const answer = await fetch(`${url}/v1/agreement/${epoch}`);
      if (answer.status !== 200) continue;
      const { documents } = (await answer.json()) as { documents: string[] };
      for (const signed of documents) {
        const read = readConsensus(signed, trust);
        if (read.kind === 'refused') throw new Error(read.detail);
        for (const name of read.signedBy)
          signers.set(name, (signers.get(name) ?? new Set()).add(read.digest));
        if (read.signedBy.length < threshold) continue;
        complete.set(read.digest, read.consensus);
      }
    }
    for (const [name, digests] of signers) if (digests.size > 1) signedTwice.push(`${name} ${epoch}`);
    const [only] = complete;
    if (only === undefined) continue;
    const [digest, { votes, reveals, previous }] = only;
    const names = (all: Consensus['votes']): string[] => all.map(({ authority }) => authority);
    consensuses.set(epoch, { votes: names(votes), reveals: names(reveals) });
    if (complete.size > 1 || (last !== '' && previous !== last)) forks += 1;
    last = digest;
  }
  return { consensuses, forks, signedTwice };
}
