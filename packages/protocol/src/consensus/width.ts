import type { Consensus, Descriptor, Width } from './documents.ts';
import { maxLoad } from './documents.ts';
import { epochAt } from './schedule.ts';

/** What is looked at of the consensuses of the two epochs before. */
export type Earlier = Pick<Consensus, 'epoch' | 'nodes'>;

/** What decides how many mixes a layer is to have. */
export interface Traffic {
  readonly epoch: number;
  readonly epochSeconds: number;
  readonly hops: number;
  readonly width: Width;
  /** The consensuses of the two epochs before, as far as there are any. */
  readonly earlier: readonly Earlier[];
}

/** What a mix says that has opened so many packets in an epoch: 1 + ⌈log2⌉, so that one bin is as wide as all below it (spec consensus 3.1). */
export function binnedLoad(packets: number): number {
  return Math.min(maxLoad, 1 + Math.ceil(Math.log2(Math.max(1, packets))));
}

/** Mixes that each layer is to have (spec consensus 8.3): as many as the traffic takes that those say who were active. */
export function widthOf(
  standing: readonly { readonly id: string; readonly descriptor: Descriptor }[],
  { epoch, epochSeconds, hops, width, earlier }: Traffic,
): number {
  const active = new Map(
    earlier.map((one) => [one.epoch, new Set(one.nodes.flatMap(({ id, layer }) => (layer > 0 ? [id] : [])))]),
  );
  const said = standing.flatMap(({ id, descriptor: { load, published } }) => {
    const told = epochAt(published, epochSeconds) - 1;
    const mixes = told === epoch - 1 || told === epoch - 2 ? active.get(told) : undefined;
    return load > 0 && mixes?.has(id) ? [(2 ** (load - 1) * mixes.size) / hops] : [];
  });
  const clamp = (wanted: number): number => Math.min(width.most, Math.max(width.least, wanted));
  const wanted = active.get(epoch - 2)?.size;
  if (wanted !== undefined && said.length * 2 > wanted)
    return clamp(Math.ceil(lowerMedian(said) / width.perMix));
  const before = earlier.find((one) => one.epoch === epoch - 1);
  return clamp(before === undefined ? 0 : widestLayer(before));
}

/** Of an even number of values the lower one of the two in the middle; of none NaN. */
export function lowerMedian(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.ceil(values.length / 2) - 1] ?? Number.NaN;
}

function widestLayer({ nodes }: Earlier): number {
  const sizes = Map.groupBy(nodes, ({ layer }) => layer);
  sizes.delete(0);
  return Math.max(0, ...[...sizes.values()].map((mixes) => mixes.length));
}
