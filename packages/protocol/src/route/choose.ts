import type { Consensus, NodeEntry } from '../consensus/index.ts';
import type { Random } from '../primitives/index.ts';
import {
  type Constraints,
  type Layer,
  layersOf,
  type Refusal,
  refusalOf,
  type Weighted,
} from './constraints.ts';
import { type Census, countPaths, withoutFamily } from './families.ts';

export type Route = { readonly kind: 'route'; readonly hops: NodeEntry[] } | Refusal;

/** The admissible paths of one consensus under one set of constraints: made once, drawn from for every packet. */
export interface RoutePlan {
  readonly kind: 'plan';
  /** The sum of their weights; at least 1. */
  readonly weight: bigint;
  /** One of them, with a probability in proportion to its weight. */
  choose(random: Random): NodeEntry[];
}

/** One admissible path, by weight (spec route 3). Expected outcomes are values; only `random` may throw. */
export function chooseRoute(consensus: Consensus, constraints: Constraints, random: Random): Route {
  const plan = planRoutes(consensus, constraints);
  return plan.kind === 'refused' ? plan : { kind: 'route', hops: plan.choose(random) };
}

/** Prepares drawing many paths, for the many packets of a long message. */
export function planRoutes(consensus: Consensus, constraints: Constraints): RoutePlan | Refusal {
  const layers = layersOf(consensus, constraints);
  const refused = refusalOf(consensus, constraints, layers) ?? familyConflict(layers);
  if (refused !== undefined) return refused;
  const groups = layers.map(groupsOf);
  const first = branches(groups, []);
  const weight = first.reduce((sum, { group, onward }) => sum + BigInt(group.weight) * onward, 0n);
  return {
    kind: 'plan',
    weight,
    choose: (random) => pathOfRank(groups, first, below(random, weight)),
  };
}

/** The first layer up to which every pick puts two hops into one family. */
export function familyConflict(layers: readonly Layer[]): Refusal | undefined {
  const censuses = layers.map((layer) => censusOf(groupsOf(layer)));
  const index = censuses.findIndex((_, end) => countPaths(censuses.slice(0, end + 1)).all === 0n);
  return index < 0 ? undefined : { kind: 'refused', reason: 'family-conflict', layer: index + 1 };
}

/** The members of one family in one layer; '' gathers those without a family. */
export interface Group {
  readonly family: string;
  readonly members: readonly Weighted[];
  /** Sum of the members' weights. */
  readonly weight: number;
}

export function groupsOf({ eligible }: Layer): Group[] {
  return [...Map.groupBy(eligible, ({ node }) => node.family)].map(([family, members]) => ({
    family,
    members,
    weight: members.reduce((sum, { weight }) => sum + weight, 0),
  }));
}

/** The weights of a layer; with `of`, something else of each family. */
export function censusOf(
  groups: readonly Group[],
  of: (group: Group) => number = ({ weight }) => weight,
): Census {
  const families = groups.filter(({ family }) => family !== '');
  return {
    total: groups.reduce((sum, group) => sum + of(group), 0),
    families: new Map(families.map((group) => [group.family, of(group)])),
  };
}

/** One choice of family at a layer, and the weight of all ways on from each of its members. */
interface Branch {
  readonly group: Group;
  readonly onward: bigint;
}

/** The branches at the layer after the families `used`. */
function branches(groups: readonly (readonly Group[])[], used: readonly string[]): Branch[] {
  const [here = [], ...rest] = groups;
  const censuses = rest.map((layer) => used.reduce(withoutFamily, censusOf(layer)));
  const counter = countPaths(censuses);
  return here
    .filter(({ family }) => family === '' || !used.includes(family))
    .map((group) => ({
      group,
      onward: group.family === '' ? counter.all : counter.without(group.family),
    }));
}

/** The path with this number in the list of all: layer by layer, skipping the branches that lie before it. */
function pathOfRank(
  groups: readonly (readonly Group[])[],
  first: readonly Branch[],
  rank: bigint,
): NodeEntry[] {
  const hops: NodeEntry[] = [];
  let left = rank;
  for (let layer = 0; layer < groups.length; layer++) {
    const used = hops.map(({ family }) => family);
    for (const { group, onward } of layer === 0 ? first : branches(groups.slice(layer), used)) {
      const ways = BigInt(group.weight) * onward;
      if (left >= ways) {
        left -= ways;
        continue;
      }
      const hop = memberAt(group, Number(left / onward));
      if (hop !== undefined) hops.push(hop);
      left %= onward;
      break;
    }
  }
  return hops;
}

/** Each member has as many places as its weight. */
function memberAt({ members }: Group, place: number): NodeEntry | undefined {
  let from = 0;
  return members.find(({ weight }) => {
    from += weight;
    return place < from;
  })?.node;
}

/** A uniform integer in [0, bound): whole bytes are drawn and those that reach past the bound's last multiple drawn anew. */
function below(random: Random, bound: bigint): bigint {
  const length = Math.ceil(bound.toString(2).length / 8) + 1;
  const range = 1n << BigInt(8 * length);
  const limit = range - (range % bound);
  for (;;) {
    const drawn = random.bytes(length).reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
    if (drawn < limit) return drawn % bound;
  }
}
