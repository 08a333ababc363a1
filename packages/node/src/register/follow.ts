import { type DirectoryClient, DirectoryError, type VerifiedConsensus } from '@postern/directory/client';
import type { Clock, Log, Random } from '@postern/runtime';
import { jitteredBackoff } from '../backoff.ts';
import type { Bell } from '../bell.ts';
import { codeOf, firstOf, type Loop, startLoop } from '../loop.ts';
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
  /** Rings when authorities were shown to have signed two documents: the directory's client has something to say at once. */
  readonly forked: Pick<Bell, 'wait'>;
  /** Called with every consensus that is taken. */
  readonly onConsensus: (consensus: VerifiedConsensus) => void;
}

/** Why there is no consensus to use, and since when, milliseconds. */
export interface Trouble {
  readonly code: string;
  /** For the operator: what each directory has said. */
  readonly why: string;
  readonly sinceMs: number;
}

export interface Following extends Loop {
  /** Nothing while there is a consensus. */
  trouble(): Trouble | undefined;
}

/** How soon to ask again while there is no consensus of this epoch: soon at first, and ever less often when there is none for long. */
const pause = { firstMs: 1_000, mostMs: 60_000 };
const quickLooks = 10;

/** How soon it is noticed that the clock was set. */
const lookAgainMs = 60_000;

/**
 * Keeps the topology at the newest consensus. Without one that holds there is none, and nothing is sent: what waits
 * stays in the spool.
 */
export function follow(context: FollowContext): Following {
  const { clock, random, log, directory, topology, network, forked, onConsensus } = context;
  let misses = 0;
  let trouble: Trouble | undefined;
  const note = (code: string, why: string): void => {
    if (code !== trouble?.code) log.warn('there is no consensus to use', { code });
    trouble = { code, why, sinceMs: trouble?.sinceMs ?? clock.now() };
  };

  /** Until it is time to ask, or the clock has been set to where the consensus does not hold. */
  const waitWhileValid = async (untilMs: number, signal: AbortSignal): Promise<void> => {
    while (clock.now() < untilMs && topology.valid() !== undefined)
      await clock.wait(Math.min(untilMs, clock.now() + lookAgainMs), signal);
  };

  const loop = startLoop({ clock, log, trouble: 'following the directory failed' }, async (stop) => {
    const consensus = await directory.renew().catch((error: unknown) => {
      note(codeOf(error), error instanceof DirectoryError ? error.message : 'the node failed');
      return undefined;
    });
    const usable = consensus !== undefined && sameNetwork(network, consensus) ? consensus : undefined;
    if (usable !== undefined) trouble = undefined;
    else if (consensus !== undefined) note('wrong-network', 'it has another geometry or length of epochs');
    const before = topology.valid();
    topology.update(usable, usable !== undefined && before === undefined ? directory.recent() : []);
    if (usable !== undefined && usable.digest !== before?.digest)
      log.info('consensus', { epoch: usable.consensus.epoch });
    if (usable !== undefined) onConsensus(usable);
    const now = clock.now();
    const next = topology.valid() === undefined ? now : directory.renewAt();
    misses = next > now ? 0 : misses + 1;
    const pauseMs = jitteredBackoff(Math.max(0, misses - quickLooks), pause, random);
    await firstOf(
      stop,
      (signal) => (next > now ? waitWhileValid(next, signal) : clock.wait(now + pauseMs, signal)),
      (signal) => forked.wait(signal),
    );
  });
  return { ...loop, trouble: () => trouble };
}
