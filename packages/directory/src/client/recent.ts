import { type Consensus, epochAt, keyEpochsHeld, readIssued } from '@postern/protocol/consensus';
import type { ConsensusCache } from './cache.ts';
import { type Directory, trustOf } from './collect.ts';

/** What was taken before the newest one and may be on its way still: verified again, since it comes from the disk (spec consensus 6.2). */
export function recentOf(directory: Directory, cache: ConsensusCache, nowSeconds: number): Consensus[] {
  const newest = cache.seen()?.epoch ?? -1;
  return cache
    .past()
    .flatMap((signed) => {
      const read = readIssued(signed, trustOf(directory));
      return read.kind === 'consensus' ? [read.consensus] : [];
    })
    .filter(
      ({ epoch, epochSeconds }) =>
        epoch < newest && epochAt(nowSeconds, epochSeconds) <= epoch + keyEpochsHeld,
    )
    .sort((a, b) => b.epoch - a.epoch);
}
