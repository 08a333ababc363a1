import { type Consensus, epochAt, keyEpochsHeld, readIssued } from '@postern/protocol/consensus';
import type { ConsensusCache } from './cache.ts';
import { type Directory, type Held, trustOf } from './collect.ts';

/** A consensus as it was stored, of whatever time. */
export type Stored = Pick<Held, 'consensus' | 'digest' | 'signed'>;

/** All that are stored, the newest first: verified again, since they come from the disk, but only when there is a newer one. */
export function storedIn(directory: Directory, cache: ConsensusCache): () => readonly Stored[] {
  let read: { readonly newest: string | undefined; readonly all: readonly Stored[] } | undefined;
  return () => {
    const newest = cache.seen()?.digest;
    if (read === undefined || read.newest !== newest) read = { newest, all: readAll(directory, cache) };
    return read.all;
  };
}

function readAll(directory: Directory, cache: ConsensusCache): Stored[] {
  const texts = new Set([cache.signed() ?? [], cache.past()].flat());
  return [...texts]
    .flatMap((signed) => {
      const read = readIssued(signed, trustOf(directory));
      return read.kind === 'consensus' ? [{ consensus: read.consensus, digest: read.digest, signed }] : [];
    })
    .sort((a, b) => b.consensus.epoch - a.consensus.epoch);
}

/** What was taken before the newest consensus and may be on its way still (spec consensus 6.2), the newest first. */
export function openRecent(
  cache: ConsensusCache,
  stored: () => readonly Stored[],
): (nowSeconds: number) => Consensus[] {
  return (nowSeconds) => {
    const newest = cache.seen()?.epoch ?? -1;
    return stored()
      .map(({ consensus }) => consensus)
      .filter(
        ({ epoch, epochSeconds }) =>
          epoch < newest && epochAt(nowSeconds, epochSeconds) <= epoch + keyEpochsHeld,
      );
  };
}
