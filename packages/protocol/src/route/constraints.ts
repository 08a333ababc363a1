import { type Consensus, type NodeEntry, weightsOf } from '../consensus/index.ts';

/** What the author asks of a path. Nodes are named by id (64 hex digits) or by name (their mail domain). */
export interface Constraints {
  /** When not empty: only these. */
  readonly include?: readonly string[];
  /** Never these. Wins over `include` and `pinned`. */
  readonly exclude?: readonly string[];
  /** The hop of each layer, first layer first; `undefined` leaves a layer open. */
  readonly pinned?: readonly (string | undefined)[];
  /** Ordinary mail alone carries packets to their first mix (spec route 2.4). */
  readonly byAccount?: boolean;
  /** Ids of the mixes that cannot be reached (spec route 2.5). */
  readonly out?: readonly string[];
}

/** What keeps a mix from being eligible in its layer. */
export type Exclusion = 'excluded' | 'not-by-account' | 'not-included' | 'not-pinned' | 'out-of-reach';

export type RefusalReason =
  | 'too-many-pins'
  | 'unknown-node'
  | 'wrong-layer'
  | 'pin-not-allowed'
  | 'empty-layer'
  | 'family-conflict';

/** No path is left, and the first layer where that shows. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: RefusalReason;
  /** 1 is the first hop. */
  readonly layer: number;
}

/** A mix, and what it counts among those of its layer (spec route 3.1). */
export interface Weighted {
  readonly node: NodeEntry;
  readonly weight: number;
}

/** The mixes of one layer, parted by the constraints; the family rule is not applied yet. */
export interface Layer {
  readonly layer: number;
  readonly eligible: readonly Weighted[];
  readonly excluded: readonly { readonly node: NodeEntry; readonly why: Exclusion }[];
}

/** Parts each layer's mixes into eligible and excluded (spec route 2). Total: an impossible pin leaves its layer empty. */
export function layersOf(consensus: Consensus, constraints: Constraints): Layer[] {
  const mixes = consensus.nodes.filter((node) => node.roles.includes('mix'));
  return Array.from({ length: consensus.geometry.hops }, (_, index) => {
    const all = mixes.filter((node) => node.layer === index + 1);
    const weightOf = weightsOf(all.map(({ capacity }) => capacity));
    const judged = all.map((node) => ({ node, why: exclusion(node, constraints, index) }));
    return {
      layer: index + 1,
      eligible: judged.flatMap(({ node, why }) =>
        why === undefined ? [{ node, weight: weightOf(node.capacity) }] : [],
      ),
      excluded: judged.flatMap(({ node, why }) => (why === undefined ? [] : [{ node, why }])),
    };
  });
}

// spec route 2.3
/** The refusal that the constraints alone cause, before the family rule, or none. */
export function refusalOf(
  consensus: Consensus,
  constraints: Constraints,
  layers: readonly Layer[],
): Refusal | undefined {
  const pinned = constraints.pinned ?? [];
  const beyond = pinned.findIndex((pin, index) => pin !== undefined && index >= layers.length);
  if (beyond !== -1) return { kind: 'refused', reason: 'too-many-pins', layer: beyond + 1 };
  for (const [index, pin] of pinned.entries()) {
    if (pin === undefined) continue;
    const layer = index + 1;
    const named = consensus.nodes.filter((node) => names(pin, node));
    if (named.length === 0) return { kind: 'refused', reason: 'unknown-node', layer };
    if (!named.some((node) => node.layer === layer)) return { kind: 'refused', reason: 'wrong-layer', layer };
    if (layers[index]?.eligible.length === 0) return { kind: 'refused', reason: 'pin-not-allowed', layer };
  }
  const empty = layers.find(({ eligible }) => eligible.length === 0);
  return empty === undefined ? undefined : { kind: 'refused', reason: 'empty-layer', layer: empty.layer };
}

/** The names in `include` and `exclude` that fit no node of the consensus: perhaps a spelling mistake. */
export function unmatchedNames(consensus: Consensus, { include = [], exclude = [] }: Constraints): string[] {
  return [...new Set([...include, ...exclude])].filter(
    (name) => !consensus.nodes.some((node) => names(name, node)),
  );
}

// spec route 2.4
/** Whether a mail server that knows the node's name alone finds it: on port 25 there, as of any domain without MX. */
export function isOpenToOrdinaryMail({ name, smtp }: Pick<NodeEntry, 'name' | 'smtp'>): boolean {
  return smtp.port === 25 && smtp.host.toLowerCase() === name;
}

function exclusion(
  node: NodeEntry,
  { include = [], exclude = [], pinned = [], byAccount = false, out = [] }: Constraints,
  index: number,
): Exclusion | undefined {
  const pin = pinned[index];
  if (exclude.some((name) => names(name, node))) return 'excluded';
  if (byAccount && index === 0 && !isOpenToOrdinaryMail(node)) return 'not-by-account';
  if (include.length > 0 && !include.some((name) => names(name, node))) return 'not-included';
  if (pin !== undefined && !names(pin, node)) return 'not-pinned';
  if (out.includes(node.id)) return 'out-of-reach';
  return undefined;
}

function names(text: string, node: NodeEntry): boolean {
  const wanted = text.toLowerCase();
  return wanted === node.id || wanted === node.name;
}
