import type { Consensus, NodeEntry } from '../consensus/index.ts';
import { censusOf, familyConflict, groupsOf } from './choose.ts';
import {
  type Constraints,
  type Exclusion,
  type Layer,
  layersOf,
  type Refusal,
  refusalOf,
  unmatchedNames,
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
  readonly excluded: readonly { readonly id: string; readonly name: string; readonly why: Exclusion }[];
}

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
  const censuses = layers.map((layer) => censusOf(groupsOf(layer)));
  const { all } = countPaths(censuses);
  return {
    layers: layers.map((layer, index) => {
      const others = countPaths(censuses.filter((_, other) => other !== index));
      const through = ({ family }: NodeEntry): bigint =>
        family === '' ? others.all : others.without(family);
      return explainLayer(layer, through, all);
    }),
    paths: refused === undefined ? Number(all) : 0,
    expectedLatencyMs: layers.length * meanDelayMs,
    unmatched: unmatchedNames(consensus, constraints),
    ...(refused === undefined ? {} : { refused }),
  };
}

/** A mix is the hop of as many paths as lead through the other layers past its family. */
function explainLayer(layer: Layer, through: (node: NodeEntry) => bigint, all: bigint): ExplainedLayer {
  const judged = layer.eligible.map((node) => ({ node, ways: through(node) }));
  const possible = judged.filter(({ ways }) => ways > 0n);
  const impossible = judged.filter(({ ways }) => ways === 0n);
  const excluded = [...layer.excluded, ...impossible.map(({ node }) => ({ node, why: 'family' as const }))];
  return {
    layer: layer.layer,
    eligible: possible.map(({ node: { id, name, family }, ways }) => ({
      id,
      name,
      family,
      probability: all === 0n ? 0 : Number(ways) / Number(all),
    })),
    excluded: excluded.map(({ node: { id, name }, why }) => ({ id, name, why })),
  };
}
