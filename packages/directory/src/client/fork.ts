import { decodeConsensus, readIssued } from '@postern/protocol/consensus';
import type { Clock, Log } from '@postern/runtime';
import type { Proof } from '../audit/findings.ts';
import { provenBy, type Sighting } from '../audit/proofs.ts';
import type { ConsensusCache, Fork } from './cache.ts';
import { type Directory, trustOf } from './collect.ts';
import { DirectoryError, type Failure } from './errors.ts';
import { fetchIssued } from './issued.ts';

/**
 * Whether authorities have signed two documents of which there may be one, or one that contradicts what was accepted before: from the first such
 * moment on nothing of theirs is used, whether it can be proven to others, and kept, or not.
 */
export interface Forks {
  /** Stops everything if two of these documents prove it. False when they prove nothing. */
  prove(documents: readonly string[]): Promise<boolean>;
  /**
   * Stops everything for failures by `fork`, which rest on documents that enough authorities have signed (spec consensus 7). A proof is looked for
   * among those `here`, the newest stored one first, and where the failures come from. Rejects only as the directory's signal aborts.
   */
  stop(forked: readonly Failure[], here: () => readonly string[]): Promise<void>;
  /** Throws `DirectoryError` `fork` when there was one, in an earlier run too. */
  assertNone(): Promise<void>;
  /** Throws `DirectoryError` `wrong-cache` when it cannot be told. */
  isFound(): boolean;
}

type Found = Omit<Fork, 'path'>;

export function createForks(
  directory: Directory,
  { cache, clock, log }: { readonly cache: ConsensusCache; readonly clock: Clock; readonly log: Log },
): Forks {
  /** Found, and not on disk: set before anything is written, since a disk may be full. */
  let unkept: Found | undefined;

  const latch = (found: Omit<Found, 'since'>): void => {
    if (unkept?.proven !== true) unkept = { since: Math.floor(clock.now() / 1_000), ...found };
  };
  /** What was the matter when it could not be kept. */
  const keep = async (): Promise<DirectoryError | undefined> => {
    const found = unkept;
    if (found === undefined) return undefined;
    try {
      await cache.keepFork(found);
    } catch (error) {
      if (error instanceof DirectoryError) return error;
      throw error;
    }
    if (unkept === found) unkept = undefined;
    return undefined;
  };
  const report = (error: DirectoryError | undefined): void => {
    if (error !== undefined) log.error('what shows a fork is not kept', { code: error.code });
  };
  const prove = async (documents: readonly string[]): Promise<boolean> => {
    const proof = proofAmong(directory, documents);
    if (proof === undefined) return false;
    log.error('authorities have signed two documents', { by: proof.verdict.signedBy.join(' ') });
    latch({ documents: proof.documents, certificates: proof.certificates, proven: true });
    report(await keep());
    return true;
  };
  /** What a place that has shown a document has for the epochs of those that it contradicts. */
  const fetchBeside = async ({ url, documents = [] }: Failure): Promise<string[]> => {
    if (!/^https?:/.test(url)) return [];
    const before = documents.slice(1).map((signed) => decodeConsensus(signed)?.consensus.epoch);
    const epochs = new Set([cache.seen()?.epoch, ...before].filter((epoch) => epoch !== undefined));
    const place = { url, isMirror: true };
    const found = await Promise.all([...epochs].map((epoch) => fetchIssued(directory, place, epoch)));
    return found.flatMap((one) => one?.signed ?? []);
  };
  const look = async (
    forked: readonly Failure[],
    shown: readonly string[],
    here: readonly string[],
  ): Promise<void> => {
    if (await prove([...shown, ...here])) return;
    log.error('authorities have signed a document that contradicts an earlier one', {
      by: sightingsOf(directory, shown.slice(0, 1))
        .flatMap(({ read }) => read.signedBy)
        .join(' '),
    });
    latch({
      documents: [...new Set([...here.slice(0, 1), ...shown])],
      certificates: directory.certificates.held().map(({ signed }) => signed),
      proven: false,
    });
    report(await keep());
    for (const failure of forked)
      if (await prove([...shown, ...here, ...(await fetchBeside(failure))])) return;
  };

  return {
    prove,
    async stop(forked, here) {
      const shown = [...new Set(forked.flatMap(({ documents = [] }) => documents))];
      latch({ documents: shown, certificates: [], proven: false });
      try {
        await look(forked, shown, here());
      } catch (error) {
        if (!(error instanceof DirectoryError)) throw error;
        report(error);
      }
    },
    async assertNone() {
      await keep();
      const found = unkept ?? cache.fork();
      if (found !== undefined) throw new DirectoryError('fork', describe(found));
    },
    isFound: () => unkept !== undefined || cache.fork() !== undefined,
  };
}

function describe(found: Found | Fork): string {
  const what = found.proven
    ? 'two documents where there may be one'
    : 'a document that contradicts one that was taken before';
  const since = new Date(found.since * 1_000).toISOString();
  const where =
    'path' in found ? `${found.proven ? 'the proof lies' : 'it lies'} in ${found.path}` : 'it cannot be kept';
  return `authorities have signed ${what}, as was found at ${since}; ${where}`;
}

/** What the first two of these documents prove that may not both be; undefined where they prove nothing. */
function proofAmong(directory: Directory, documents: readonly string[]): Proof | undefined {
  const certified = directory.certificates.held();
  const sightings = sightingsOf(directory, documents);
  for (const [at, one] of sightings.entries()) {
    for (const other of sightings.slice(at + 1)) {
      const [proof] = provenBy([one, other], certified, trustOf(directory));
      if (proof !== undefined) return proof;
    }
  }
  return undefined;
}

function sightingsOf(directory: Directory, documents: readonly string[]): Sighting[] {
  const trust = trustOf(directory);
  return [...new Set(documents)].flatMap((signed): Sighting[] => {
    const read = readIssued(signed, trust);
    return read.kind === 'consensus' ? [{ url: '', signed, read }] : [];
  });
}
