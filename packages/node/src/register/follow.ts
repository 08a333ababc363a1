import type { DirectoryClient, VerifiedConsensus } from '@postern/directory/client';
import { uniform } from '@postern/protocol/primitives';
import type { Clock, Log, Random } from '@postern/runtime';
import { jitteredBackoff } from '../backoff.ts';
import { codeOf, type Loop, startLoop } from '../loop.ts';
import type { Network } from '../network.ts';
import { sameNetwork } from '../network.ts';
import type { Topology } from '../topology.ts';

export interface FollowContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly directory: DirectoryClient;
  readonly topology: Topology;
  readonly network: Network;
  /** Called with every consensus that is taken. */
  readonly onConsensus: (consensus: VerifiedConsensus) => void;
}

/** How soon to ask again while there is no consensus of this epoch: soon at first, and ever less often when there is none for long. */
const pause = { firstMs: 1_000, mostMs: 60_000 };
const quickLooks = 10;
/** How long after an epoch's end the new consensus is asked for, at most: not everybody in the same moment. */
const spreadMs = 5_000;

/**
 * Keeps the topology at the newest consensus. Without one that holds there is none, and nothing is sent: what waits
 * stays in the spool.
 */
export function follow(context: FollowContext): Loop {
  const { clock, random, log, directory, topology, network, onConsensus } = context;
  let misses = 0;
  let trouble: string | undefined;
  const note = (code: string | undefined): void => {
    if (code !== undefined && code !== trouble) log.warn('there is no consensus to use', { code });
    trouble = code;
  };

  return startLoop({ clock, log, trouble: 'following the directory failed' }, async (stop) => {
    const consensus = await directory.current().catch((error: unknown) => {
      note(codeOf(error));
      return undefined;
    });
    const usable = consensus !== undefined && sameNetwork(network, consensus) ? consensus : undefined;
    if (consensus !== undefined) note(usable === undefined ? 'wrong-network' : undefined);
    const before = topology.valid();
    topology.update(usable, usable !== undefined && before === undefined ? directory.recent() : []);
    if (usable !== undefined && usable.digest !== before?.digest)
      log.info('consensus', { epoch: usable.consensus.epoch });
    if (usable !== undefined) onConsensus(usable);
    const now = clock.now();
    const next = usable === undefined ? now : nextEpoch(usable, random);
    misses = next > now ? 0 : misses + 1;
    const pauseMs = jitteredBackoff(Math.max(0, misses - quickLooks), pause, random);
    await clock.wait(next > now ? next : now + pauseMs, stop);
  });
}

/** When the consensus has had its epoch, and a moment more. */
function nextEpoch({ consensus }: VerifiedConsensus, random: Random): number {
  const spread = uniform(random) * Math.min(spreadMs, consensus.epochSeconds * 100);
  return consensus.freshUntil * 1_000 + spread;
}
