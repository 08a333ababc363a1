import { type Consensus, epochAt, keyEpochsHeld, readIssued } from '@postern/protocol/consensus';
import type { ConsensusCache } from './cache.ts';
import { type Directory, trustOf } from './collect.ts';

/**
 * What was taken before the newest consensus and may be on its way still (spec consensus 6.2), the newest first: verified again, since it comes from
 * the disk, but only when there is a newer one.
 */
export function openRecent(directory: Directory, cache: ConsensusCache): (nowSeconds: number) => Consensus[] {
  let read: { readonly newest: number; readonly before: readonly Consensus[] } | undefined;
  return (nowSeconds) => {
    const newest = cache.seen()?.epoch ?? -1;
    if (read?.newest !== newest) read = { newest, before: before(directory, cache, newest) };
    return read.before.filter(
      ({ epoch, epochSeconds }) => epochAt(nowSeconds, epochSeconds) <= epoch + keyEpochsHeld,
    );
  };
}

function before(directory: Directory, cache: ConsensusCache, newest: number): Consensus[] {
  return cache
    .past()
    .flatMap((signed) => {
      const read = readIssued(signed, trustOf(directory));
      return read.kind === 'consensus' && read.consensus.epoch < newest ? [read.consensus] : [];
    })
    .sort((a, b) => b.epoch - a.epoch);
}
