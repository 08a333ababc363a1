import { encodeHex } from '../codec/hex.ts';
import { encodeJson } from '../codec/json.ts';
import type { LogHead } from '../log/index.ts';
import type { Geometry } from '../packet/index.ts';
import {
  type Consensus,
  type Counted,
  type Descriptor,
  maxConsensusLength,
  maxNodes,
  type NodeEntry,
  staleEpochs,
} from './documents.ts';
import { writeGeometry } from './geometry.ts';
import { type Candidate, dealLayers, lotOf } from './lots.ts';
import { isStanding } from './schedule.ts';
import { consensusShape, nodeId } from './schema.ts';
import { compareText } from './shape.ts';

/** What a consensus follows from, beside the descriptors. */
export interface Agenda {
  readonly epoch: number;
  readonly epochSeconds: number;
  readonly geometry: Geometry;
  readonly meanDelayMs: number;
  /** 32 bytes that nobody could foresee when the descriptors were published. */
  readonly shared: Uint8Array;
  /** Digest of the consensus before; '' for the first. */
  readonly previous: string;
  /** The log of all consensuses before. */
  readonly log: LogHead;
  /** Ids. */
  readonly revoked: readonly string[];
  /** What the rest was counted from, in any order. */
  readonly votes: readonly Counted[];
  readonly reveals: readonly Counted[];
}

/**
 * The consensus that verified descriptors lead to, whatever their order (spec consensus 8). Pure: anyone with the same
 * descriptors and agenda gets the same bytes. Throws `ProtocolError` `wrong-document` for an agenda out of range.
 */
export function tabulate(descriptors: readonly Descriptor[], agenda: Agenda): Consensus {
  const { epoch, epochSeconds, geometry, shared } = agenda;
  const revoked = [...new Set(agenda.revoked)].sort();
  const standing = newestOfEach(descriptors).filter(
    ({ id, descriptor }) => !revoked.includes(id) && isStanding(descriptor, epoch, epochSeconds),
  );
  const candidates = settleClaims(
    standing.map(({ id, descriptor }) => candidateOf(id, descriptor, agenda)),
    geometry.hops,
  );
  const mixes = candidates.filter(({ node }) => node.mixKey !== '');
  const layers = dealLayers(mixes, geometry.hops, shared);
  const nodes = candidates.map(({ node }): NodeEntry => ({ ...node, layer: layers.get(node.id) ?? 0 }));
  const validAfter = epoch * epochSeconds;
  const freshUntil = validAfter + epochSeconds;
  return consensusShape(
    {
      version: 1,
      epoch,
      epochSeconds,
      validAfter,
      freshUntil,
      validUntil: freshUntil + staleEpochs * epochSeconds,
      geometry: writeGeometry(geometry),
      meanDelayMs: agenda.meanDelayMs,
      nodes: nodes.sort((a, b) => compareText(a.id, b.id)),
      revoked,
      shared: encodeHex(shared),
      previous: agenda.previous,
      log: agenda.log,
      votes: byAuthority(agenda.votes),
      reveals: byAuthority(agenda.reveals),
    } satisfies Consensus,
    '',
  );
}

function byAuthority(counted: readonly Counted[]): Counted[] {
  return counted.toSorted((a, b) => compareText(a.authority, b.authority));
}

interface Standing {
  readonly id: string;
  readonly descriptor: Descriptor;
}

/** One descriptor per id: the one published last; of two published in the same second the one whose text sorts last. */
function newestOfEach(descriptors: readonly Descriptor[]): Standing[] {
  const newest = new Map<string, Descriptor>();
  for (const descriptor of descriptors) {
    const id = nodeId(descriptor.identityKey);
    const known = newest.get(id);
    if (known === undefined || isNewer(descriptor, known)) newest.set(id, descriptor);
  }
  return [...newest].map(([id, descriptor]) => ({ id, descriptor }));
}

function isNewer(one: Descriptor, other: Descriptor): boolean {
  if (one.published !== other.published) return one.published > other.published;
  return encodeJson(one) > encodeJson(other);
}

/** A mix without a key for the epoch is no mix in it. */
function candidateOf(id: string, descriptor: Descriptor, { epoch, shared }: Agenda): Candidate {
  const { name, smtp, tlsPins, family, domains } = descriptor;
  const mixKey = descriptor.mixKeys.find((one) => one.epoch === epoch)?.key ?? '';
  const roles = descriptor.roles.filter((role) => role !== 'mix' || mixKey !== '');
  const node = { id, name, roles, smtp, tlsPins, family, domains, mixKey };
  return { node, lot: lotOf(shared, id) };
}

/** Characters that the entries of one consensus may take: what signatures and revoked ids need is left over. */
const entriesRoom = maxConsensusLength - 786_432;

/**
 * A name, and a served domain, goes to one node: where two claim it, to the one whose lot is lower. An id cannot be made to
 * win, because the lots are drawn after it is known. A node that loses its name, or all that it did, is left out. So are
 * the highest lots once a document is full.
 */
function settleClaims(candidates: readonly Candidate[], hops: number): Candidate[] {
  const names = new Set<string>();
  const served = new Set<string>();
  const settled: Candidate[] = [];
  let room = entriesRoom;
  for (const { node, lot } of [...candidates].sort((a, b) => compareText(a.lot, b.lot))) {
    const domains = node.domains.filter((domain) => !served.has(domain));
    const roles = node.roles.filter((role) => role !== 'delivery' || domains.length > 0);
    if (roles.length === 0 || names.has(node.name)) continue;
    const kept = { node: { ...node, roles, domains }, lot };
    room -= roomOf(kept.node, hops);
    if (room < 0 || settled.length === maxNodes) break;
    names.add(node.name);
    for (const domain of domains) served.add(domain);
    settled.push(kept);
  }
  return settled;
}

// spec consensus 8.5
/** Of the entry, and a comma. Layers are dealt to those that fit, so the longest one stands for the node's. */
function roomOf(node: Candidate['node'], hops: number): number {
  const entry: NodeEntry = { ...node, layer: hops };
  return encodeJson(entry).length + 1;
}
