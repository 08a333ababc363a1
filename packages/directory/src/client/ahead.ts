import { contradiction, readIssued, verifyConsensus } from '@postern/protocol/consensus';
import type { ConsensusCache } from './cache.ts';
import { type Directory, type Held, trustOf } from './collect.ts';
import type { Failure } from './errors.ts';
import { lastOf } from './follow.ts';

/**
 * The consensus that was fetched before its epoch. It is remembered as one that was taken: no other of its epoch passes after it, and none of the next
 * one that does not follow on it, in this process, a later run, or another process with the same cache.
 */
export interface Ahead {
  /** The one here, if it is of a later epoch than this. */
  after(epoch: number): Held | undefined;
  /** Reads again what lies on disk: another process may have stored one. */
  look(): void;
  /** What it has to say to a document that was verified. */
  objectionTo(document: Held): Failure | undefined;
  /** Stores one that was verified as of its beginning, unless there is an objection. Durable when it resolves. */
  keep(document: Held): Promise<Failure | undefined>;
}

export function openAhead(directory: Directory, cache: ConsensusCache): Ahead {
  let held: Held | undefined;
  let isRead = false;

  const look = (): void => {
    const signed = cache.ahead();
    if (signed !== held?.signed) held = signed === undefined ? undefined : verifyAhead(directory, signed);
    isRead = true;
  };
  const here = (): Held | undefined => {
    if (!isRead) look();
    return held;
  };
  const objectionTo = (document: Held): Failure | undefined => {
    const known = here();
    const detail = known && disagreement(known, document);
    return detail === undefined ? undefined : forkOf(detail, document, known);
  };

  return {
    after(epoch) {
      const known = here();
      return known !== undefined && known.consensus.epoch > epoch ? known : undefined;
    },
    look,
    objectionTo,
    async keep(document) {
      const { consensus, digest, signed } = document;
      const refusal = await cache.storeAhead(signed, (seen): Failure | 'old' | undefined => {
        look();
        const said = contradiction(consensus, digest, lastOf(seen));
        if (said?.reason === 'fork') return forkOf(said.detail, document);
        const isOld = held !== undefined && held.consensus.epoch > consensus.epoch;
        return objectionTo(document) ?? (isOld ? 'old' : undefined);
      });
      if (refusal === undefined) held = document;
      return refusal === 'old' ? undefined : refusal;
    },
  };
}

/** What comes from the disk, verified as of its beginning; undefined unless it holds. */
function verifyAhead(directory: Directory, signed: string): Held | undefined {
  const trust = trustOf(directory);
  const read = readIssued(signed, trust);
  if (read.kind === 'refused') return undefined;
  const verified = verifyConsensus(signed, { ...trust, now: read.consensus.validAfter });
  if (verified.kind === 'refused') return undefined;
  const { consensus, geometry, digest } = verified;
  return { consensus, geometry, digest, signed };
}

/** Why a document may not be beside the one that was fetched ahead. */
function disagreement(ahead: Held, { consensus, digest }: Held): string | undefined {
  const { epoch, previous } = ahead.consensus;
  const known = `the consensus for epoch ${epoch} that was fetched before it began`;
  if (consensus.epoch === epoch && digest !== ahead.digest)
    return `another consensus for epoch ${epoch} was fetched before it began`;
  if (consensus.epoch === epoch + 1 && consensus.previous !== ahead.digest)
    return `it does not follow on ${known}`;
  if (consensus.epoch === epoch - 1 && previous !== digest) return `${known} does not follow on it`;
  return undefined;
}

function forkOf(detail: string, ...documents: readonly (Held | undefined)[]): Failure {
  const shown = documents.flatMap((document) => document?.signed ?? []);
  return { url: 'the one fetched ahead', reason: 'fork', detail, documents: shown };
}
