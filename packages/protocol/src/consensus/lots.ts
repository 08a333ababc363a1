import { decodeHex, encodeHex } from '../codec/hex.ts';
import { sha256 } from '../primitives/index.ts';
import type { NodeEntry } from './documents.ts';
import { compareText } from './shape.ts';
import { lowerMedian } from './width.ts';

/** A node before the layers are dealt, with its lot. */
export interface Candidate {
  readonly node: Omit<NodeEntry, 'layer'>;
  readonly lot: string;
}

/** How many times the median of all a mix's capacity counts at most. */
const mostOfMedian = 4;

/** H(shared ‖ id), hex (spec consensus 8.2). */
export function lotOf(shared: Uint8Array, id: string): string {
  return draw('postern.node-lot/v1\n', shared, decodeHex(id) ?? new Uint8Array());
}

/** Draws the active mixes (spec consensus 8.4) from all, which are in the order of their lots: `width` for each layer, of one family no more than a quarter of a layer. */
export function drawMixes(
  mixes: readonly Candidate[],
  { width, hops }: { width: number; hops: number },
): Candidate[] {
  const ofFamily = new Map<string, number>();
  const most = Math.max(1, Math.floor(width / 4));
  const drawn: Candidate[] = [];
  for (const mix of mixes) {
    if (drawn.length === width * hops) break;
    const { family } = mix.node;
    const others = family === '' ? 0 : (ofFamily.get(family) ?? 0);
    if (others === most) continue;
    ofFamily.set(family, others + 1);
    drawn.push(mix);
  }
  return drawn;
}

/** What capacities count for where mixes share out packets: a claim beyond four times the median is worth no more. */
export function weightsOf(capacities: readonly number[]): (capacity: number) => number {
  const most = mostOfMedian * lowerMedian(capacities);
  return (capacity) => Math.min(capacity, most);
}

/**
 * Deals active mixes to layers 1 … hops (spec consensus 8.5). What is dealt is a family as a whole, or a mix without one, so that no path has
 * two hops of a family: heaviest first, then by lot, each to the layer that has the least weight so far. Result: id → layer.
 */
export function dealLayers(
  mixes: readonly Candidate[],
  hops: number,
  shared: Uint8Array,
): Map<string, number> {
  const layers = Array.from({ length: hops }, (_, index) => ({
    layer: index + 1,
    lot: draw('postern.layer-lot/v1\n', shared, Uint8Array.of(index + 1)),
    weight: 0,
  })).sort((a, b) => compareText(a.lot, b.lot));
  const dealt = new Map<string, number>();
  for (const hand of handsOf(mixes)) {
    const lightest = layers.reduce((a, b) => (b.weight < a.weight ? b : a));
    lightest.weight += hand.weight;
    for (const { node } of hand.members) dealt.set(node.id, lightest.layer);
  }
  return dealt;
}

interface Hand {
  readonly members: readonly Candidate[];
  readonly weight: number;
  /** The lowest lot in it. */
  readonly lot: string;
}

function handsOf(mixes: readonly Candidate[]): Hand[] {
  const weightOf = weightsOf(mixes.map(({ node }) => node.capacity));
  const byFamily = Map.groupBy(mixes, ({ node }) => (node.family === '' ? node.id : `family ${node.family}`));
  const hands = [...byFamily.values()].map((members) => ({
    members,
    weight: members.reduce((sum, { node }) => sum + weightOf(node.capacity), 0),
    lot: members.map(({ lot }) => lot).reduce((a, b) => (b < a ? b : a)),
  }));
  return hands.sort((a, b) => b.weight - a.weight || compareText(a.lot, b.lot));
}

function draw(purpose: string, shared: Uint8Array, value: Uint8Array): string {
  return encodeHex(sha256(Uint8Array.of(...new TextEncoder().encode(purpose), ...shared, ...value)));
}
