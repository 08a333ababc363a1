import type { Issued } from './store.ts';

/** Why the consensus of an epoch is not issued though its time has come. */
export type Holdup =
  | { readonly kind: 'no-descriptor' }
  | { readonly kind: 'few-nodes'; readonly standing: number; readonly wanted: number }
  | { readonly kind: 'empty-layer'; readonly layer: number };

/** What decides how many nodes an issue waits for. */
export interface Quorum {
  /** Nodes whose descriptors stand. */
  readonly standing: number;
  readonly bootstrapNodes: number;
  readonly latest: Issued | undefined;
  /** Milliseconds since the issue became due. */
  readonly waitedMs: number;
  /** `patienceMs` of the network. */
  readonly patienceMs: number;
}

/** The share of the last consensus's nodes that the next one waits for. */
const share = 0.75;

/**
 * How long most nodes are waited for: nodes that a pause of the authority has put off come back within seconds, and
 * those that are gone for good must not keep the others waiting.
 */
export function patienceMs(epochSeconds: number): number {
  return Math.min(300_000, epochSeconds * 100);
}

/**
 * Whether enough nodes stand (spec consensus 9.3). The first to come after a pause are not the network: issued at once, a
 * consensus would leave all others out for an epoch, and whoever hurries would have the paths to themselves.
 */
export function holdupOf(quorum: Quorum): Holdup | undefined {
  const { standing } = quorum;
  const wanted = wantedOf(quorum);
  if (standing === 0 && quorum.latest !== undefined) return { kind: 'no-descriptor' };
  return standing < wanted ? { kind: 'few-nodes', standing, wanted } : undefined;
}

function wantedOf({ bootstrapNodes, latest, waitedMs, patienceMs }: Quorum): number {
  if (latest === undefined) return bootstrapNodes;
  const most = Math.ceil(nodesOf(latest) * share);
  return waitedMs < patienceMs ? most : Math.min(most, bootstrapNodes);
}

const counted = new WeakMap<Issued, number>();

/** How many nodes a consensus of ours lists. Counted once: a document is long, and it is asked for with every descriptor. */
function nodesOf(issued: Issued): number {
  const known = counted.get(issued);
  if (known !== undefined) return known;
  const [, json = ''] = issued.signed.split('\n', 2);
  const { nodes } = JSON.parse(json) as { readonly nodes: readonly unknown[] };
  counted.set(issued, nodes.length);
  return nodes.length;
}

/** A hold-up as an operator reads it. */
export function explain(holdup: Holdup): string {
  switch (holdup.kind) {
    case 'no-descriptor':
      return 'no node has a descriptor that stands; if nodes run, compare the clock here with theirs';
    case 'few-nodes':
      return `waits for ${holdup.wanted} nodes, ${holdup.standing} have registered`;
    case 'empty-layer':
      return `layer ${holdup.layer} has no mix`;
  }
}
