import { epochAt, keyEpochsOpened } from '@postern/protocol/consensus';
import type { Clock, Log, Random } from '@postern/runtime';
import { bindMixKeys, type MixKeys, turnMixKeys } from './keys/mix-keys.ts';
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
}

/** The node's keys of this moment. */
export interface Epochs {
  readonly epoch: number;
  current(): PeelSetup;
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
  const { clock, random, log, dataDir, nodeId, network, spool, mix } = context;
  const { epochSeconds, geometry } = network;
  const listeners: ((setup: PeelSetup) => Promise<void>)[] = [];
  const now = (): number => epochAt(clock.now() / 1_000, epochSeconds);
  const setup = (): PeelSetup => ({ geometry, nodeId, epochSeconds, keys: keys.seeds });
  const told = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener(setup())));
  };
  /** A power cut may put a packet that was peeled back into the spool: before its key goes, what came of it is synced. */
  const turnTo = async (at: number): Promise<void> => {
    if (!mix) return;
    const [first = at] = keyEpochsOpened(at);
    keys = { ...keys, seeds: keys.seeds.filter((one) => one.epoch >= first) };
    await told();
    await spool.sync();
    keys = await turnMixKeys(dataDir, at, random);
    await told();
  };

  const destroyed = mix ? await bindMixKeys(dataDir, spool.id) : 0;
  if (destroyed > 0)
    log.warn('the spool has no replay tags for these mix keys: they were destroyed', { destroyed });
  let keys: MixKeys = { seeds: [], published: [], firstEpoch: 0 };
  let epoch = now();
  await turnTo(epoch);

  const turn = async (): Promise<void> => {
    const next = now();
    await turnTo(next);
    epoch = next;
    log.info('epoch', { epoch });
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
    current: setup,
    onChange: (listener) => void listeners.push(listener),
    start: (announce) =>
      startLoop({ clock, log, trouble: 'the epoch’s keys could not be turned' }, async (stop) => {
        if (epoch !== now()) await turn();
        if (announcedIn !== epoch) announce(keys.published);
        announcedIn = epoch;
        await forgetTags();
        await clock.wait((epoch + 1) * epochSeconds * 1_000, stop);
      }),
  };
}
