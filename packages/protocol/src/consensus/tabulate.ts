import { encodeHex } from '../codec/hex.ts';
import { encodeJson } from '../codec/json.ts';
import type { LogHead } from '../log/index.ts';
import type { Geometry } from '../packet/index.ts';
import {
  type Consensus,
  type Counted,
  type Descriptor,
  type Listed,
  maxConsensusLength,
  maxNodes,
  type NodeEntry,
  staleEpochs,
  type Width,
} from './documents.ts';
import { writeGeometry } from './geometry.ts';
import { type Candidate, dealLayers, drawMixes, lotOf } from './lots.ts';
import { certifiedFrom } from './node-certificate.ts';
import { restOf } from './rest.ts';
import { isDown, isStanding } from './schedule.ts';
import { consensusShape, nodeId } from './schema.ts';
import { compareText } from './shape.ts';
import { type Earlier, widthOf } from './width.ts';

/** A descriptor that was verified, and `descriptorDigest` of it. */
export interface Registered {
  readonly descriptor: Descriptor;
  readonly digest: string;
}

/** What a consensus follows from, beside the descriptors. */
export interface Agenda {
  readonly epoch: number;
  readonly epochSeconds: number;
  readonly geometry: Geometry;
  readonly meanDelayMs: number;
  readonly width: Width;
  /** The consensuses of the two epochs before, as far as there are any. */
  readonly earlier: readonly Earlier[];
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
export function tabulate(registered: readonly Registered[], agenda: Agenda): Consensus {
  const { epoch, epochSeconds, geometry, shared } = agenda;
  const { hops } = geometry;
  const revoked = new Set(agenda.revoked);
  const standing = standingOf(registered, agenda);
  const candidates = settleClaims(standing.map((one) => candidateOf(one, agenda)));
  const width = widthOf(standing, { ...agenda, hops });
  const entries = fitting(candidates, { width, hops });
  const mixes = entries.filter(({ node }) => node.mixKey !== '');
  const layers = dealLayers(mixes, hops, shared);
  const nodes = entries.map(({ node }): NodeEntry => ({ ...node, layer: layers.get(node.id) ?? 0 }));
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
      width: agenda.width,
      nodes: nodes.sort((a, b) => compareText(a.id, b.id)),
      rest: restOf(beside(standing, nodes)),
      revoked: [...revoked].sort(),
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

/** The nodes that stand and are no entries of the consensus that was counted from these descriptors, ascending by id (spec consensus 8.7). */
export function listRest(registered: readonly Registered[], agenda: Agenda, { nodes }: Consensus): Listed[] {
  return beside(standingOf(registered, agenda), nodes);
}

function beside(standing: readonly Standing[], nodes: readonly { readonly id: string }[]): Listed[] {
  const entries = new Set(nodes.map(({ id }) => id));
  return standing
    .flatMap(({ id, digest }) => (entries.has(id) ? [] : [{ id, digest }]))
    .sort((a, b) => compareText(a.id, b.id));
}

interface Standing extends Registered {
  readonly id: string;
}

function standingOf(registered: readonly Registered[], { epoch, epochSeconds, revoked }: Agenda): Standing[] {
  const withdrawn = new Set(revoked);
  return newestOfEach(registered).filter(
    ({ id, descriptor }) => !withdrawn.has(id) && isStanding(descriptor, epoch, epochSeconds),
  );
}

/** One descriptor per id (spec consensus 8.1). */
function newestOfEach(registered: readonly Registered[]): Standing[] {
  const newest = new Map<string, Registered>();
  for (const one of registered) {
    const id = nodeId(one.descriptor.identityKey);
    const known = newest.get(id);
    if (known === undefined || isNewer(one.descriptor, known.descriptor)) newest.set(id, one);
  }
  return [...newest].map(([id, { descriptor, digest }]) => ({ id, descriptor, digest }));
}

function isNewer(one: Descriptor, other: Descriptor): boolean {
  const [from, otherFrom] = [certifiedFrom(one.certificate), certifiedFrom(other.certificate)];
  if (from !== otherFrom) return from > otherFrom;
  if (one.published !== other.published) return one.published > other.published;
  return encodeJson(one) > encodeJson(other);
}

/** A mix that has no key for the epoch, is down in it, or does not take its packets, is no mix in it. */
function candidateOf({ id, descriptor }: Standing, { epoch, shared, geometry }: Agenda): Candidate {
  const { name, smtp, tlsPins, family, domains, mirror, protocols } = descriptor;
  const key = descriptor.mixKeys.find((one) => one.epoch === epoch)?.key ?? '';
  const works = key !== '' && !isDown(descriptor, epoch) && protocols.includes(geometry.suite);
  const node = { id, name, roles: descriptor.roles, smtp, tlsPins, family, domains, mirror };
  const candidate = { node: { ...node, mixKey: key, capacity: descriptor.capacity }, lot: lotOf(shared, id) };
  return works ? candidate : withoutMix(candidate);
}

function withoutMix({ node, lot }: Candidate): Candidate {
  return {
    node: { ...node, roles: node.roles.filter((role) => role !== 'mix'), mixKey: '', capacity: 0 },
    lot,
  };
}

/**
 * In the order of their lots. A name, and a served domain, goes to one node: where two claim it, to the one whose lot is lower. An id cannot be made to
 * win, because the lots are drawn after it is known. A node that loses its name, or all that it did, is left out.
 */
function settleClaims(candidates: readonly Candidate[]): Candidate[] {
  const names = new Set<string>();
  const served = new Set<string>();
  const settled: Candidate[] = [];
  for (const { node, lot } of [...candidates].sort((a, b) => compareText(a.lot, b.lot))) {
    const domains = node.domains.filter((domain) => !served.has(domain));
    const roles = node.roles.filter((role) => role !== 'delivery' || domains.length > 0);
    if (roles.length === 0 || names.has(node.name)) continue;
    names.add(node.name);
    for (const domain of domains) served.add(domain);
    settled.push({ node: { ...node, roles, domains }, lot });
  }
  return settled;
}

/** Characters that the entries of one consensus may take: what signatures and revoked ids need is left over. */
const entriesRoom = maxConsensusLength - 786_432;

// spec consensus 8.6
/** Who gets an entry: active mixes, and all others that deliver, as long as there is room. */
function fitting(
  candidates: readonly Candidate[],
  { width, hops }: { width: number; hops: number },
): Candidate[] {
  const entries: Candidate[] = [];
  let room = entriesRoom;
  const add = (all: readonly Candidate[]): void => {
    for (const one of all) {
      const left = room - roomOf(one.node, hops);
      if (left < 0 || entries.length === maxNodes) return;
      room = left;
      entries.push(one);
    }
  };
  add(
    drawMixes(
      candidates.filter(({ node }) => node.mixKey !== ''),
      { width, hops },
    ),
  );
  const active = new Set(entries.map(({ node }) => node.id));
  add(candidates.filter(({ node }) => node.domains.length > 0 && !active.has(node.id)).map(withoutMix));
  return entries;
}

/** Of the entry, and a comma. Layers are dealt to those that fit, so the longest one stands for the node's. */
function roomOf(node: Candidate['node'], hops: number): number {
  const entry: NodeEntry = { ...node, layer: node.mixKey === '' ? 0 : hops };
  return encodeJson(entry).length + 1;
}
