import { setImmediate as turn } from 'node:timers/promises';
import type { NodeStatus } from '@postern/node';
import type { Recorder } from '../adversary/recorder.ts';
import type { FakeClock } from '../clock/fake-clock.ts';
import { TestkitError } from '../errors.ts';
import type { NodeHost } from './node-host.ts';

export interface Moving {
  readonly clock: FakeClock;
  readonly nodes: readonly NodeHost[];
  readonly recorder: Recorder;
}

/** How long a network may take to come to rest, in real time. */
const patienceMs = 60_000;

/**
 * Resolves when nothing moves any more unless the clock does: no message is on its way, no input waits to be peeled, and no counter of any
 * node has changed over a few looks. A look asks every node's spool, which answers behind whatever it was asked before.
 */
export async function atRest({ nodes, recorder }: Moving): Promise<NodeStatus[]> {
  const deadline = performance.now() + patienceMs;
  let before = '';
  for (let same = 0; ; ) {
    await turn();
    const running = nodes.map((node) => node.running).filter((node) => node !== undefined);
    const found = await Promise.all(running.map((node) => node.status()));
    const quiet = recorder.underWay === 0 && found.every(({ counts }) => counts.inputs === 0);
    const now = JSON.stringify([found, recorder.sendings.length]);
    same = quiet && now === before ? same + 1 : 0;
    before = now;
    // A delivery under way shows in no counter until it is done, so it gets longer to move.
    const busy = found.some(({ counts }) => counts.deliveries > 0);
    if (same >= (busy ? 50 : 4)) return found;
    if (performance.now() > deadline)
      throw new TestkitError(
        'not-drained',
        `the network does not come to rest within ${patienceMs / 1_000} s`,
      );
  }
}

export interface DrainOptions {
  /** Fake milliseconds that it may take at most. */
  readonly mostMs?: number;
  /** Called whenever the network is at rest, before the clock goes on. */
  readonly onRest?: () => Promise<void> | void;
}

/**
 * Moves the clock from one wait to the next until every packet has come to its end. Throws `not-drained` when some have not after `mostMs` of
 * the network's time.
 */
export async function drain(moving: Moving, { mostMs = 600_000, onRest }: DrainOptions = {}): Promise<void> {
  const { clock } = moving;
  const end = clock.now() + mostMs;
  for (;;) {
    const statuses = await atRest(moving);
    await onRest?.();
    if (statuses.every(({ counts }) => counts.relays === 0 && counts.deliveries === 0)) return;
    const { next } = clock;
    if (next === undefined || next > end) {
      const left = statuses.map(({ name, counts }) => `${name}: ${JSON.stringify(counts)}`).join('\n');
      throw new TestkitError(
        'not-drained',
        `packets are left after ${mostMs / 1_000} s of the network’s time\n${left}`,
      );
    }
    await clock.advanceTo(next);
  }
}
