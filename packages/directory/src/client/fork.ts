import { readIssued } from '@postern/protocol/consensus';
import type { Clock, Log } from '@postern/runtime';
import type { Proof } from '../audit/findings.ts';
import { provenBy, type Sighting } from '../audit/proofs.ts';
import type { ConsensusCache } from './cache.ts';
import { type Directory, trustOf } from './collect.ts';
import { DirectoryError } from './errors.ts';

/** Proofs that authorities have signed two documents of which there may be one: from the first on nothing of theirs is used. */
export interface Forks {
  /** Keeps what two of these documents prove, durably. False when they prove nothing. */
  prove(documents: readonly string[]): Promise<boolean>;
  /** Throws `DirectoryError` `fork` when there is a proof, from an earlier run too. */
  assertNone(): void;
}

export function createForks(
  directory: Directory,
  { cache, clock, log }: { readonly cache: ConsensusCache; readonly clock: Clock; readonly log: Log },
): Forks {
  return {
    async prove(documents) {
      const proof = proofAmong(directory, documents);
      if (proof === undefined) return false;
      const { documents: two, certificates, verdict } = proof;
      log.error('authorities have signed two documents', { by: verdict.signedBy.join(' ') });
      await cache.keepFork({ since: Math.floor(clock.now() / 1_000), documents: two, certificates });
      return true;
    },
    assertNone() {
      const fork = cache.fork();
      if (fork === undefined) return;
      const since = new Date(fork.since * 1_000).toISOString();
      const message = `authorities have signed two documents where there may be one, as was found at ${since}; the proof lies in ${fork.path}`;
      throw new DirectoryError('fork', message);
    },
  };
}

/** What the first two of these documents prove that may not both be; undefined where they prove nothing. */
function proofAmong(directory: Directory, documents: readonly string[]): Proof | undefined {
  const trust = trustOf(directory);
  const certified = directory.certificates.held();
  const sightings = [...new Set(documents)].flatMap((signed): Sighting[] => {
    const read = readIssued(signed, trust);
    return read.kind === 'consensus' ? [{ url: '', signed, read }] : [];
  });
  for (const [at, one] of sightings.entries()) {
    for (const other of sightings.slice(at + 1)) {
      const [proof] = provenBy([one, other], certified, trust);
      if (proof !== undefined) return proof;
    }
  }
  return undefined;
}
