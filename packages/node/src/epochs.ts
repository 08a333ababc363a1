import { epochAt, keyEpochsOpened } from '@postern/protocol/consensus';
import type { Clock, Log, Random } from '@postern/runtime';
import { agreeOnLineage } from './keys/lineage.ts';
import {
  bindMixKeys,
  destroyMixKeys,
  holdsMixKeys,
  type MixKeys,
  retireMixKeys,
  turnMixKeys,
} from './keys/mix-keys.ts';
import { firstOf, type Loop, startLoop } from './loop.ts';
import type { Network } from './network.ts';
import { createPast } from './past.ts';
import type { PeelSetup } from './peel/worker.ts';
import type { Spool } from './spool.ts';

export interface EpochsContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly dataDir: string;
  readonly nodeId: Uint8Array;
  readonly network: Network;
  readonly spool: Spool;
  /** Whether the node is a mix: others make no keys, and destroy those of a time when they were one as their epochs end. */
  readonly mix: boolean;
  /** Epoch of the newest consensus that this node has ever taken; none when it has taken none. */
  readonly newest: number | undefined;
  /** Whether this process opens packets. One that does not turns the keys that lie in its data directory, and makes none. */
  readonly peels: boolean;
}

/** Another process peels; or the node is no mix any more. */
export type UnusedKeys = 'others-peel' | 'no-mix';

/** The node's keys of this moment. */
export interface Epochs {
  readonly epoch: number;
  /** A consensus of that epoch has been taken: it has begun, whatever the clock says. */
  confirm(epoch: number): void;
  current(): PeelSetup;
  /** Why keys lie here that this process does not use; nothing when none do. */
  unused(): UnusedKeys | undefined;
  /** `listener` resolves once nothing that was opened with keys of before is still to be settled. */
  onChange(listener: (setup: PeelSetup) => Promise<void>): void;
  /** Calls `announce` with the keys to publish, now and at every epoch's start. */
  start(announce: (keys: MixKeys['published']) => void): Loop;
}

/**
 * Ties the mix keys to the spool and brings them to the epoch at hand; `start` then keeps them there. To be called before
 * carriages are taken.
 */
export async function openEpochs(context: EpochsContext): Promise<Epochs> {
  const { clock, random, log, dataDir, nodeId, network, spool, newest, peels } = context;
  const { epochSeconds, geometry } = network;
  const listeners: ((setup: PeelSetup) => Promise<void>)[] = [];
  const past = createPast({ clock, log, epochSeconds, newest });
  const now = (): number => epochAt(clock.now() / 1_000, epochSeconds);
  let keys: MixKeys = { seeds: [], published: [], firstEpoch: 0 };
  let epoch = now();
  /** What is past in this one has been destroyed. */
  let certain = epoch;
  const source = await tieKeys(context, epoch);
  /** Processes that share a spool forget its replay tags by the clock, so that their keys go by it as well. */
  const goesByClock = source === undefined || spool.shared !== undefined;
  const endAt = (at: number): number => (goesByClock ? at : past.endsAt(at));
  let retiring = source?.retired === true;
  const setup = (): PeelSetup => ({ geometry, nodeId, epochSeconds, keys: keys.seeds });
  const told = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener(setup())));
  };
  /** A power cut may put a packet that was peeled back into the spool: before its key goes, what came of it is synced. */
  const turnTo = async (at: number): Promise<void> => {
    if (source === undefined) {
      // Whatever keys there were have gone: their replay tags go as those of others do.
      await spool.sync();
      keys = { ...keys, firstEpoch: keyEpochsOpened(at)[0] ?? at };
      return;
    }
    // A shared spool knows the time: while that is another, no key is given up, here or on disk.
    if (spool.shared !== undefined || source.retired) await spool.sync();
    const end = endAt(at);
    if (source.retired) {
      const { firstEpoch, left } = await retireMixKeys(dataDir, end);
      keys = { ...keys, firstEpoch };
      retiring = left;
      certain = end;
      return;
    }
    const [first = end] = keyEpochsOpened(end);
    keys = { ...keys, seeds: keys.seeds.filter((one) => one.epoch >= first) };
    await told();
    await spool.sync();
    keys = await turnMixKeys(dataDir, at, random, source.lineage, end);
    certain = end;
    await told();
  };

  /** Of the keys that are left on disk. */
  let first = 0;
  const tellPast = (): void => {
    if (source !== undefined && keys.firstEpoch > first)
      log.info('past mix keys are gone', { before: keys.firstEpoch });
    first = keys.firstEpoch;
  };

  await turnTo(epoch);
  tellPast();

  /** Within an epoch as well, once more of what is past may go. */
  const turn = async (): Promise<void> => {
    const next = now();
    await turnTo(next);
    if (next !== epoch) log.info('epoch', { epoch: next });
    epoch = next;
    tellPast();
  };

  let announcedIn: number | undefined;
  let forgottenFor: MixKeys | undefined;
  const forgetTags = async (): Promise<void> => {
    if (forgottenFor === keys) return;
    const of = keys;
    // spec consensus 6.2: one epoch late
    await spool.forgetTags(of.firstEpoch - 1);
    forgottenFor = of;
  };

  return {
    get epoch() {
      return epoch;
    },
    confirm: past.confirm,
    current: setup,
    unused() {
      if (source?.retired === true) return retiring ? 'no-mix' : undefined;
      return source === undefined || peels ? undefined : 'others-peel';
    },
    onChange: (listener) => void listeners.push(listener),
    start: (announce) =>
      startLoop({ clock, log, trouble: 'the epoch’s keys could not be turned' }, async (stop) => {
        if (epoch !== now() || (source !== undefined && certain !== endAt(epoch))) await turn();
        if (announcedIn !== epoch) announce(keys.published);
        announcedIn = epoch;
        await forgetTags();
        if (!goesByClock) past.look(epoch, stop);
        await firstOf(
          stop,
          (signal) => past.changed.wait(signal),
          (signal) => clock.wait((epoch + 1) * epochSeconds * 1_000, signal),
        );
      }),
  };
}

interface Source {
  /** Of the chain that the keys come from; undefined for those that are drawn. */
  readonly lineage?: string;
  /** None are made any more. */
  readonly retired: boolean;
}

/** Ties the mix keys to the spool, and to those of other processes that have it. Gives nothing where there are none and are to be none. */
async function tieKeys(
  { mix, peels, random, log, dataDir, spool }: EpochsContext,
  epoch: number,
): Promise<Source | undefined> {
  if (!mix && !(await holdsMixKeys(dataDir))) return undefined;
  const destroyed = await bindMixKeys(dataDir, spool.id);
  if (destroyed > 0)
    log.warn('the spool has no replay tags for these mix keys: they were destroyed', { destroyed });
  if (!mix) {
    log.warn(
      'the node is no mix any more: its mix keys are destroyed as their epochs end, and no more are made',
    );
    return { retired: true };
  }
  if (spool.shared === undefined) return { retired: false };
  const lineage = await agreeOnLineage({ dataDir, random, spool: spool.shared.lineage, epoch, peels });
  if (lineage === undefined) {
    // Without a chain nothing would turn them, and nobody needs them.
    await destroyMixKeys(dataDir);
    return undefined;
  }
  if (!peels)
    log.warn(
      'this process opens no packets, and has the mix keys of those that do: stop it, run postern-node mix-keys destroy on its data directory, and start it again',
    );
  return { lineage, retired: false };
}
