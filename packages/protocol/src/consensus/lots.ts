import { decodeHex, encodeHex } from '../codec/hex.ts';
import { sha256 } from '../primitives/index.ts';
import type { NodeEntry } from './documents.ts';
import { compareText } from './shape.ts';

/** A node before the layers are dealt, with its lot. */
export interface Candidate {
  readonly node: Omit<NodeEntry, 'layer'>;
  readonly lot: string;
}

/** H(shared ‖ id), hex (spec consensus 8.3). */
export function lotOf(shared: Uint8Array, id: string): string {
  return draw('postern.node-lot/v1\n', shared, decodeHex(id) ?? new Uint8Array());
}

/**
 * Deals mixes to layers 1 … hops (spec consensus 8.4). What is dealt is a family as a whole, or a mix without one, so that no path has
 * two hops of a family: largest first, then by lot, each to the layer that has the fewest mixes so far. Result: id → layer.
 */
export function dealLayers(
  mixes: readonly Candidate[],
  hops: number,
  shared: Uint8Array,
): Map<string, number> {
  const layers = Array.from({ length: hops }, (_, index) => ({
    layer: index + 1,
    lot: draw('postern.layer-lot/v1\n', shared, Uint8Array.of(index + 1)),
    mixes: 0,
  })).sort((a, b) => compareText(a.lot, b.lot));
  const dealt = new Map<string, number>();
  for (const hand of handsOf(mixes)) {
    const fewest = layers.reduce((a, b) => (b.mixes < a.mixes ? b : a));
    fewest.mixes += hand.members.length;
    for (const { node } of hand.members) dealt.set(node.id, fewest.layer);
  }
  return dealt;
}

interface Hand {
  readonly members: readonly Candidate[];
  /** The lowest lot in it. */
  readonly lot: string;
}

function handsOf(mixes: readonly Candidate[]): Hand[] {
  const byFamily = Map.groupBy(mixes, ({ node }) => (node.family === '' ? node.id : `family ${node.family}`));
  const hands = [...byFamily.values()].map((members) => ({
    members,
    lot: members.map(({ lot }) => lot).reduce((a, b) => (b < a ? b : a)),
  }));
  return hands.sort((a, b) => b.members.length - a.members.length || compareText(a.lot, b.lot));
}

function draw(purpose: string, shared: Uint8Array, value: Uint8Array): string {
  return encodeHex(sha256(Uint8Array.of(...new TextEncoder().encode(purpose), ...shared, ...value)));
}
