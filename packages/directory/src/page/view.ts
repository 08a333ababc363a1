import {
  type Consensus,
  decodeConsensus,
  epochAt,
  type NodeEntry,
  readIssued,
  type Trust,
} from '@postern/protocol/consensus';
import type { LogHead } from '@postern/protocol/log';
import type { Clock } from '@postern/runtime';
import type { Alarm } from '../alarms.ts';
import type { AuthorityConfig } from '../config.ts';
import type { ConsensusLog } from '../log/log.ts';
import type { OutageState } from '../outages/outages.ts';
import type { AuthorityStore, Issued } from '../store.ts';

/** What the page of an authority shows. Times are Unix seconds. */
export interface View {
  readonly authority: string;
  /** To the minute. */
  readonly now: number;
  /** By the clock. */
  readonly epoch: number;
  readonly epochEnds: number;
  readonly threshold: number;
  /** Nodes whose descriptors are here. */
  readonly registered: number;
  readonly alarms: readonly Alarm[];
  /** Why there is no consensus of this epoch. */
  readonly heldUp: string | undefined;
  readonly outages: OutageState;
  /** What readers route by; undefined while there is none. */
  readonly consensus: ConsensusView | undefined;
  /** Of one that is agreed on already, and has not begun. */
  readonly next: Pick<ConsensusView, 'epoch' | 'signatures'> | undefined;
  readonly log: LogHead;
}

export interface ConsensusView
  extends Pick<
    Consensus,
    'epoch' | 'validAfter' | 'freshUntil' | 'validUntil' | 'meanDelayMs' | 'previous' | 'revoked' | 'rest'
  > {
  readonly digest: string;
  /** Of all authorities, by name. */
  readonly signatures: readonly { readonly authority: string; readonly signed: boolean }[];
  /** One for each layer, in order. */
  readonly layers: readonly Group[];
  /** Gateways that are no mixes. */
  readonly gateways: readonly NodeEntry[];
  /** What those who run nodes say how they are found, by id, as far as the node was registered here when the consensus was first shown. */
  readonly contacts: ReadonlyMap<string, string>;
  /** Undefined for the first one. */
  readonly changes: Changes | undefined;
}

export interface Group {
  readonly layer: number;
  /** By name. */
  readonly nodes: readonly NodeEntry[];
}

/** How the nodes differ from those of the consensus before; by name. */
export interface Changes {
  /** The epoch of the one before. */
  readonly since: number;
  readonly joined: readonly NodeEntry[];
  readonly left: readonly NodeEntry[];
  readonly moved: readonly { readonly node: NodeEntry; readonly from: number }[];
}

export interface ViewSource {
  readonly config: Pick<AuthorityConfig, 'name' | 'epochSeconds' | 'threshold'>;
  readonly clock: Clock;
  readonly store: Pick<AuthorityStore, 'latest' | 'newestUpTo' | 'registered'>;
  readonly history: Pick<ConsensusLog, 'head'>;
  /** All authorities, with the keys of which there are certificates here. */
  trust(): Omit<Trust, 'threshold'>;
  /** What readers are given as the newest. */
  current(): Issued | undefined;
  alarms(): readonly Alarm[];
  heldUp(): string | undefined;
  outages(): OutageState;
}

/** Gives the view as it is when it is asked for. Documents are read once: they are long, and anybody may ask. */
export function createView(source: ViewSource): () => View {
  const { config, clock, store, history } = source;
  let last: { readonly of: string; readonly shown: Pick<View, 'consensus' | 'next'> } | undefined;
  const shown = (): Pick<View, 'consensus' | 'next'> => {
    const [current, latest] = [source.current(), store.latest()];
    const trust = source.trust();
    const coming = latest !== undefined && latest.epoch > (current?.epoch ?? -1) ? latest : undefined;
    const known = [current, coming].map((one) => `${one?.digest} ${one?.signed.length}`);
    const of = [...known, trust.signingKeys.length].join();
    if (last?.of !== of)
      last = {
        of,
        shown: {
          consensus: current && consensusOf(current, trust, store),
          next: coming && { epoch: coming.epoch, signatures: signaturesOf(coming, trust) },
        },
      };
    return last.shown;
  };
  return () => {
    const seconds = Math.floor(clock.now() / 1_000);
    const epoch = epochAt(seconds, config.epochSeconds);
    return {
      authority: config.name,
      now: seconds - (seconds % 60),
      epoch,
      epochEnds: (epoch + 1) * config.epochSeconds,
      threshold: config.threshold,
      registered: store.registered.size,
      alarms: source.alarms(),
      heldUp: source.heldUp(),
      outages: source.outages(),
      log: history.head(),
      ...shown(),
    };
  };
}

function consensusOf(
  issued: Issued,
  trust: Omit<Trust, 'threshold'>,
  store: Pick<AuthorityStore, 'newestUpTo' | 'registered'>,
): ConsensusView | undefined {
  const consensus = decodeConsensus(issued.signed)?.consensus;
  if (consensus === undefined) return undefined;
  const { epoch, validAfter, freshUntil, validUntil, meanDelayMs, previous, revoked, rest, geometry } =
    consensus;
  const nodes = consensus.nodes.toSorted(byName);
  const before = previous === '' ? undefined : store.newestUpTo(epoch - 1);
  return {
    epoch,
    validAfter,
    freshUntil,
    validUntil,
    meanDelayMs,
    previous,
    revoked,
    rest,
    digest: issued.digest,
    signatures: signaturesOf(issued, trust),
    layers: Array.from({ length: geometry.hops }, (_, at) => ({
      layer: at + 1,
      nodes: nodes.filter(({ layer }) => layer === at + 1),
    })),
    gateways: nodes.filter(({ layer }) => layer === 0),
    contacts: new Map(nodes.map(({ id }) => [id, store.registered.get(id)?.descriptor.contact ?? ''])),
    changes: before?.digest === previous ? changesOf(nodes, before) : undefined,
  };
}

/** Only signatures that hold count. */
function signaturesOf(
  { signed }: Issued,
  trust: Omit<Trust, 'threshold'>,
): { readonly authority: string; readonly signed: boolean }[] {
  const read = readIssued(signed, { ...trust, threshold: 1 });
  const by = read.kind === 'consensus' ? read.signedBy : [];
  const names = [...new Set(trust.authorities.map(({ name }) => name))].sort();
  return names.map((authority) => ({ authority, signed: by.includes(authority) }));
}

function changesOf(nodes: readonly NodeEntry[], before: Issued | undefined): Changes | undefined {
  const old = before && decodeConsensus(before.signed)?.consensus;
  if (old === undefined) return undefined;
  const then = new Map(old.nodes.map((node) => [node.id, node]));
  const now = new Set(nodes.map(({ id }) => id));
  return {
    since: old.epoch,
    joined: nodes.filter(({ id }) => !then.has(id)),
    left: old.nodes.filter(({ id }) => !now.has(id)).sort(byName),
    moved: nodes.flatMap((node) => {
      const from = then.get(node.id)?.layer ?? node.layer;
      return from === node.layer ? [] : [{ node, from }];
    }),
  };
}

function byName(a: NodeEntry, b: NodeEntry): number {
  return a.name < b.name ? -1 : 1;
}
