import {
  parseAuthorityKey,
  readConsensus,
  type SigningKey,
  verifyCertificate,
} from '@postern/protocol/consensus';
import type { Council } from './authorities.ts';

/** What came of some epochs. */
export interface Count {
  /** Epochs for which there is a consensus. */
  readonly consensuses: number;
  /** Epochs of which two have enough signatures, or that do not follow on the one before. */
  readonly forks: number;
  /** Authorities that have signed two documents for one epoch, by name and epoch. */
  readonly signedTwice: readonly string[];
  /** Votes and reveals that were counted, by authority. */
  readonly votes: Readonly<Record<string, number>>;
  readonly reveals: Readonly<Record<string, number>>;
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
  const votes: Record<string, number> = {};
  const reveals: Record<string, number> = {};
  let [consensuses, forks, last] = [0, 0, ''];
  for (let epoch = epochs.from; epoch <= epochs.to; epoch++) {
    const signers = new Map<string, Set<string>>();
    const complete = new Map<string, string>();
    for (const { url } of authorities) {
      const answer = await fetch(`${url}/v1/agreement/${epoch}`);
      if (answer.status !== 200) continue;
      const { documents } = (await answer.json()) as { documents: string[] };
      for (const signed of documents) {
        const read = readConsensus(signed, trust);
        if (read.kind === 'refused') throw new Error(read.detail);
        for (const name of read.signedBy)
          signers.set(name, (signers.get(name) ?? new Set()).add(read.digest));
        if (read.signedBy.length < threshold || complete.has(read.digest)) continue;
        complete.set(read.digest, read.consensus.previous);
        for (const { authority } of read.consensus.votes) votes[authority] = (votes[authority] ?? 0) + 1;
        for (const { authority } of read.consensus.reveals)
          reveals[authority] = (reveals[authority] ?? 0) + 1;
      }
    }
    for (const [name, digests] of signers) if (digests.size > 1) signedTwice.push(`${name} ${epoch}`);
    const [only] = complete;
    if (only === undefined) continue;
    consensuses += 1;
    if (complete.size > 1 || (last !== '' && only[1] !== last)) forks += 1;
    last = only[0];
  }
  return { consensuses, forks, signedTwice, votes, reveals };
}
