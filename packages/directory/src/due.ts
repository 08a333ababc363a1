import type { Consensus, Scalar } from '@postern/protocol/consensus';
import type { Issued } from './store.ts';

/** Why the consensus of an epoch is not issued though its time has come. */
export type Holdup =
  | { readonly kind: 'clock-behind'; readonly epoch: number; readonly latest: number }
  | { readonly kind: 'epoch-jump'; readonly epoch: number; readonly latest: number }
  | { readonly kind: 'no-descriptor' }
  /** Until when there was one, Unix seconds. */
  | { readonly kind: 'no-signing-key'; readonly until: number }
  /** `atVote`: so many stood when this authority was to vote; it looks again when it is to vote the next time. */
  | {
      readonly kind: 'few-nodes';
      readonly standing: number;
      readonly wanted: number;
      readonly atVote?: true;
    }
  | { readonly kind: 'empty-layer'; readonly layer: number }
  | { readonly kind: 'few-votes'; readonly counted: number; readonly wanted: number }
  | { readonly kind: 'divided'; readonly over: Scalar; readonly wanted: number }
  | { readonly kind: 'missing-descriptors'; readonly missing: number }
  | { readonly kind: 'other-parameters' }
  | { readonly kind: 'not-linked' }
  | { readonly kind: 'signed-before'; readonly epoch: number }
  | { readonly kind: 'voted-before'; readonly slot: number }
  | { readonly kind: 'unconfirmed'; readonly wanted: number };

/** What decides whether a consensus is issued. */
export interface Due {
  /** By the clock. */
  readonly epoch: number;
  readonly epochSeconds: number;
  readonly latest: Issued | undefined;
  /** An epoch that the operator has found to be right, however far it lies past the last consensus. */
  readonly confirmedEpoch: number | undefined;
  /** Nodes that are registered, and those of them whose descriptors stand. */
  readonly registered: number;
  readonly standing: number;
  readonly bootstrapNodes: number;
  /** Milliseconds since the issue became due. */
  readonly waitedMs: number;
}

/** The share of the nodes that stood for the last consensus that the next one waits for. */
const share = 0.75;

/**
 * How long most nodes are waited for: nodes that a pause of the authority has put off come back within seconds, and
 * those that are gone for good must not keep the others waiting.
 */
export function patienceMs(epochSeconds: number): number {
  return Math.min(300_000, epochSeconds * 100);
}

/** What keeps a consensus from being issued (spec consensus 9.3), the clock first. */
export function holdupOf(due: Due): Holdup | undefined {
  return clockHoldup(due) ?? nodesHoldup(due);
}

/** The longest pause after which an authority goes on by itself, in epochs: a week, and as long as descriptors stand at least. */
function longestPause(epochSeconds: number): number {
  return Math.max(3, Math.ceil(604_800 / epochSeconds));
}

/**
 * An epoch takes no second document: one that is signed by a clock that is far ahead silences the authority until then. So
 * a long leap is believed only when the operator says that the clock is right.
 */
function clockHoldup({ epoch, epochSeconds, latest, confirmedEpoch }: Due): Holdup | undefined {
  if (latest === undefined) return undefined;
  if (latest.epoch > epoch) return { kind: 'clock-behind', epoch, latest: latest.epoch };
  const most = longestPause(epochSeconds);
  const follows = (from: number): boolean => from <= epoch && epoch - from <= most;
  if (follows(latest.epoch) || (confirmedEpoch !== undefined && follows(confirmedEpoch))) return undefined;
  return { kind: 'epoch-jump', epoch, latest: latest.epoch };
}

/**
 * The first to come after a pause are not the network: issued at once, a consensus would leave all others out for an epoch,
 * and whoever hurries would have the paths to themselves.
 */
function nodesHoldup(due: Due): Holdup | undefined {
  const { registered, standing, latest } = due;
  const wanted = wantedOf(due);
  if (standing === 0 && latest !== undefined) {
    // a store that knows of no node says nothing of the clock
    if (registered === 0) return { kind: 'few-nodes', standing, wanted: Math.max(1, wanted) };
    return { kind: 'no-descriptor' };
  }
  return standing < wanted ? { kind: 'few-nodes', standing, wanted } : undefined;
}

function wantedOf({ bootstrapNodes, latest, waitedMs, epochSeconds }: Due): number {
  if (latest === undefined) return bootstrapNodes;
  const most = Math.ceil(nodesOf(latest) * share);
  return waitedMs < patienceMs(epochSeconds) ? most : Math.min(most, bootstrapNodes);
}

const counted = new WeakMap<Issued, number>();

/** How many nodes stood for a consensus of ours. Counted once: a document is long, and it is asked for with every descriptor. */
function nodesOf(issued: Issued): number {
  const known = counted.get(issued);
  if (known !== undefined) return known;
  const [, json = ''] = issued.signed.split('\n', 2);
  const { nodes, rest } = JSON.parse(json) as Pick<Consensus, 'nodes' | 'rest'>;
  const all = nodes.length + rest.count;
  counted.set(issued, all);
  return all;
}

/** Whether it is the clock that stands in the way, and not nodes. */
export function isOfClock({ kind }: Holdup): boolean {
  return kind === 'clock-behind' || kind === 'epoch-jump';
}

/** Whether an operator has to look: waiting may not mend it. */
export function isAlarming(holdup: Holdup): boolean {
  return isOfClock(holdup) || holdup.kind === 'no-descriptor' || holdup.kind === 'no-signing-key';
}

/** A hold-up as an operator reads it. */
export function explain(holdup: Holdup): string {
  switch (holdup.kind) {
    case 'clock-behind':
      return `the last consensus is of epoch ${holdup.latest}, and by the clock here it is epoch ${holdup.epoch}; set the clock`;
    case 'epoch-jump':
      return `epoch ${holdup.epoch} lies ${holdup.epoch - holdup.latest} epochs past the last consensus; if the clock here is right, start with: postern-directory run --confirm-epoch ${holdup.epoch}`;
    case 'no-descriptor':
      return 'of the nodes that are registered none has a descriptor that stands; if nodes run, compare the clock here with theirs';
    case 'no-signing-key':
      return `no signing key is for now: the last one is until ${new Date(holdup.until * 1_000).toISOString()}; make the next: postern-directory certify --identity FILE`;
    case 'few-nodes':
      return holdup.atVote
        ? `waits for ${holdup.wanted} nodes, ${holdup.standing} had registered when it was to vote last; with its next vote it looks again`
        : `waits for ${holdup.wanted} nodes, ${holdup.standing} have registered`;
    case 'empty-layer':
      return `layer ${holdup.layer} has no mix`;
    case 'few-votes':
      return `${holdup.counted} votes count, ${holdup.wanted} are needed; whoever is missing does not run, cannot be reached, or has another time`;
    case 'divided':
      return `of \`${holdup.over}\` no ${holdup.wanted} of the votes that count say the same; compare the configurations, and what each has for its newest consensus`;
    case 'missing-descriptors':
      return `${holdup.missing} descriptors that most votes name are not here, and none of those who named them has given them yet`;
    case 'other-parameters':
      return 'most others have another epoch length, or a geometry that this version does not know; compare the configurations';
    case 'not-linked':
      return 'others go on from a consensus that is not here, and nobody has given one that enough have signed';
    case 'signed-before':
      return `this authority has signed another document for epoch ${holdup.epoch}, which may have become a consensus`;
    case 'voted-before':
      return `this authority has voted in slot ${holdup.slot} before it was started, by another clock; it takes part again in the next`;
    case 'unconfirmed':
      return `this authority has been started anew, and signs only once ${holdup.wanted} others have told what it had said before`;
  }
}
