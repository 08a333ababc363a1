import { keyEpochsHeld } from '@postern/protocol/consensus';
import {
  type Geometry,
  loadMixKey,
  type MixKey,
  type Peeled,
  packetEpoch,
  peel,
} from '@postern/protocol/packet';
import { answerIn } from '../answer.ts';
import { freeMemory } from '../handed-over.ts';

export interface PeelSetup {
  readonly geometry: Geometry;
  readonly nodeId: Uint8Array;
  readonly epochSeconds: number;
  /** Of every epoch whose packets are still opened. */
  readonly keys: readonly { readonly epoch: number; readonly seed: Uint8Array }[];
}

export type PeelTask = readonly Uint8Array[];

/** One packet without its layer, until when the next hop can open what is left, and until when all processes of this node have its replay tag. */
export type Unlayered =
  | (Exclude<Peeled, { kind: 'refused' }> & {
      readonly epoch: number;
      readonly opensUntilMs: number;
      readonly taggedUntilMs: number;
    })
  | Extract<Peeled, { kind: 'refused' }>
  | { readonly kind: 'refused'; readonly reason: 'fault' };

answerIn<PeelSetup, PeelTask, Unlayered[]>(({ geometry, nodeId, epochSeconds, keys }) => {
  const loaded = new Map<number, MixKey>();
  for (const { epoch, seed } of keys) loaded.set(epoch, loadMixKey(seed, nodeId, epoch, geometry));

  const open = (packet: Uint8Array): Unlayered => {
    const epoch = packetEpoch(packet);
    const key = epoch === undefined ? undefined : loaded.get(epoch);
    if (epoch === undefined || key === undefined) return { kind: 'refused', reason: 'wrong-epoch' };
    try {
      const peeled = peel(geometry, key, packet);
      if (peeled.kind === 'refused') return peeled;
      const opensUntilMs = (epoch + keyEpochsHeld + 1) * epochSeconds * 1_000;
      // They are forgotten an epoch later, by whichever process is there first: half of it is for its clock, and half for this one's.
      return { ...peeled, epoch, opensUntilMs, taggedUntilMs: opensUntilMs + epochSeconds * 500 };
    } catch {
      // No packet makes `peel` throw. Should one do so all the same, it must not come back for ever.
      return { kind: 'refused', reason: 'fault' };
    }
  };
  return async (packets) => {
    const unlayered = packets.map(open);
    packets.forEach(freeMemory);
    return unlayered;
  };
}, bytesOf);

function bytesOf(unlayered: readonly Unlayered[]): Uint8Array[] {
  return unlayered.flatMap((one) =>
    one.kind === 'relay' ? [one.packet] : one.kind === 'exit' ? [one.unit] : [],
  );
}
