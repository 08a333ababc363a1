import type { Consensus } from '../consensus/index.ts';
import { censusOf, familyConflict, groupsOf } from './choose.ts';
import {
  type Constraints,
  type Exclusion,
  type Layer,
  layersOf,
  type Refusal,
  refusalOf,
  unmatchedNames,
  type Weighted,
} from './constraints.ts';
import { countPaths } from './families.ts';

export interface ExplainedLayer {
  readonly layer: number;
  /** The mixes that can be this hop, with the probability that they are; the sum is 1 unless `refused`. */
  readonly eligible: readonly {
    readonly id: string;
    readonly name: string;
    readonly family: string;
    readonly probability: number;
  }[];
  readonly excluded: readonly ({ readonly id: string; readonly name: string } & Hindrance)[];
}

// spec route 3.3
/**
 * Why a mix cannot be the hop. Of those that would be eligible, `empty-layer`: another layer has no eligible mix, and the first such is named;
 * `family-conflict`: no path through the other layers keeps the family rule; `family`: every such path has the mix's own family in it.
 */
export type Hindrance =
  | { readonly why: Exclusion | 'family-conflict' | 'family' }
  | { readonly why: 'empty-layer'; readonly emptyLayer: number };

export interface Explanation {
  readonly layers: readonly ExplainedLayer[];
  /** Admissible paths; exact up to 2^53. 0 when refused. */
  readonly paths: number;
  /** Sum of the mean delays that the hops are asked for. Transport between the hops comes on top. */
  readonly expectedLatencyMs: number;
  /** Names in the constraints that fit no node of the consensus. */
  readonly unmatched: readonly string[];
  readonly refused?: Refusal;
}

/** What `chooseRoute` draws from: the exact distribution, not an estimate (spec route 3.3). */
export function explainRoute(
  consensus: Consensus,
  constraints: Constraints,
  meanDelayMs: number = consensus.meanDelayMs,
): Explanation {
  const layers = layersOf(consensus, constraints);
  const refused = refusalOf(consensus, constraints, layers) ?? familyConflict(layers);
  const groups = layers.map(groupsOf);
  const censuses = groups.map((layer) => censusOf(layer));
  const { all } = countPaths(censuses);
  const paths = countPaths(groups.map((layer) => censusOf(layer, ({ members }) => members.length))).all;
  return {
    layers: layers.map((layer, index) => {
      const others = countPaths(censuses.filter((_, other) => other !== index));
      const through = ({ node: { family }, weight }: Weighted): bigint =>
        BigInt(weight) * (family === '' ? others.all : others.without(family));
      const empty = layers.find((other) => other !== layer && other.eligible.length === 0);
      return explainLayer(layer, { through, all, otherwise: hindranceBy(empty, others.all) });
    }),
    paths: refused === undefined ? Number(paths) : 0,
    expectedLatencyMs: layers.length * meanDelayMs,
    unmatched: unmatchedNames(consensus, constraints),
    ...(refused === undefined ? {} : { refused }),
  };
}

/** What hinders a mix that is eligible and the hop of no path: `empty` is another layer without any, `others` the paths through the other layers. */
function hindranceBy(empty: Layer | undefined, others: bigint): Hindrance {
  if (empty !== undefined) return { why: 'empty-layer', emptyLayer: empty.layer };
  return { why: others === 0n ? 'family-conflict' : 'family' };
}

interface Ways {
  /** The weight of all paths that a mix is the hop of: its own times that of those through the other layers past its family. */
  through(mix: Weighted): bigint;
  readonly all: bigint;
  /** What hinders those that are the hop of none. */
  readonly otherwise: Hindrance;
}

function explainLayer(layer: Layer, { through, all, otherwise }: Ways): ExplainedLayer {
  const judged = layer.eligible.map((mix) => ({ node: mix.node, ways: through(mix) }));
  const possible = judged.filter(({ ways }) => ways > 0n);
  const impossible = judged.filter(({ ways }) => ways === 0n);
  return {
    layer: layer.layer,
    eligible: possible.map(({ node: { id, name, family }, ways }) => ({
      id,
      name,
      family,
      probability: all === 0n ? 0 : Number((ways * precision) / all) / Number(precision),
    })),
    excluded: [
      ...layer.excluded.map(({ node: { id, name }, why }) => ({ id, name, why })),
      ...impossible.map(({ node: { id, name } }) => ({ id, name, ...otherwise })),
    ],
  };
}

/** Of a quotient of integers that need not fit a double. */
const precision = 2n ** 60n;
