import { epochAt } from '@postern/protocol/consensus';
import type { Clock, Log, Random } from '@postern/runtime';
import { agreeOnLineage } from './keys/lineage.ts';
import { bindMixKeys, destroyMixKeys, type MixKeys, turnMixKeys } from './keys/mix-keys.ts';
import { type Loop, startLoop } from './loop.ts';
import type { Network } from './network.ts';
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
  /** Whether the node is a mix: others have no keys. */
  readonly mix: boolean;
  /** Whether this process opens packets. One that does not turns the keys that lie in its data directory, and makes none. */
  readonly peels: boolean;
}

/** The node's keys of this moment. */
export interface Epochs {
  readonly epoch: number;
  current(): PeelSetup;
  onChange(listener: (setup: PeelSetup) => void): void;
  /** Calls `announce` with the keys to publish, now and at every epoch's start. */
  start(announce: (keys: MixKeys['published']) => void): Loop;
}

/**
 * Ties the mix keys to the spool and brings them to the epoch at hand; `start` then keeps them there. To be called before
 * carriages are taken.
 */
export async function openEpochs(context: EpochsContext): Promise<Epochs> {
  const { clock, random, log, dataDir, nodeId, network, spool } = context;
  const { epochSeconds, geometry } = network;
  const listeners: ((setup: PeelSetup) => void)[] = [];
  const now = (): number => epochAt(clock.now() / 1_000, epochSeconds);
  let epoch = now();
  const source = await tieKeys(context, epoch);
  const turnTo = async (at: number): Promise<MixKeys> => {
    if (source === undefined) return { seeds: [], published: [], firstEpoch: 0 };
    // A power cut may put a peeled packet back into the spool: not once its key has gone.
    await spool.sync();
    return turnMixKeys(dataDir, at, random, source.lineage);
  };

  let keys = await turnTo(epoch);
  const setup = (): PeelSetup => ({ geometry, nodeId, epochSeconds, keys: keys.seeds });

  const turn = async (): Promise<void> => {
    const next = now();
    keys = await turnTo(next);
    epoch = next;
    for (const listener of listeners) listener(setup());
    log.info('epoch', { epoch });
  };

  let announced: MixKeys | undefined;
  let forgottenFor: MixKeys | undefined;
  const forgetTags = async (): Promise<void> => {
    if (forgottenFor === keys) return;
    const of = keys;
    // One epoch late: a packet may have been peeled with a key that went while its replay tag was on the way to the disk.
    await spool.forgetTags(of.firstEpoch - 1);
    forgottenFor = of;
  };

  return {
    get epoch() {
      return epoch;
    },
    current: setup,
    onChange: (listener) => void listeners.push(listener),
    start: (announce) =>
      startLoop({ clock, log, trouble: 'the epoch’s keys could not be turned' }, async (stop) => {
        if (epoch !== now()) await turn();
        if (announced !== keys) announce(keys.published);
        announced = keys;
        await forgetTags();
        await clock.wait((epoch + 1) * epochSeconds * 1_000, stop);
      }),
  };
}

/** Ties the mix keys to the spool, and to those of other processes that have it. Gives nothing where there are none and are to be none. */
async function tieKeys(
  { mix, peels, random, log, dataDir, spool }: EpochsContext,
  epoch: number,
): Promise<{ readonly lineage: string | undefined } | undefined> {
  if (!mix) return undefined;
  const destroyed = await bindMixKeys(dataDir, spool.id);
  if (destroyed > 0)
    log.warn('the spool has no replay tags for these mix keys: they were destroyed', { destroyed });
  if (spool.shared === undefined) return { lineage: undefined };
  const lineage = await agreeOnLineage({ dataDir, random, spool: spool.shared.lineage, epoch, peels });
  if (lineage !== undefined) return { lineage };
  // Without a chain nothing would turn them, and nobody needs them.
  await destroyMixKeys(dataDir);
  return undefined;
}
