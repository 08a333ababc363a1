import type { PathTaken } from '@postern/client';
import type { Person } from '../people/person.ts';
import type { How, Part } from './evidence.ts';
import { networkTable, type Party, type Table } from './table.ts';
import type { Shelf } from './waiting.ts';

/** Where there is something of a party to be searched. */
export interface Source {
  /** A process by its name. */
  readonly owner: string;
  readonly how: How;
  readonly part?: Part;
}

/** Whoever writes or is written to. */
export type Correspondent = Pick<Person, 'mailbox' | 'local' | 'domain'>;

/** Which party everybody was when one message went its way. */
export interface Cast {
  /** Who may know what of it. */
  readonly table: Table;
  readonly author: Correspondent;
  readonly recipient: Correspondent;
  /** Names of the mixes that were first, in the middle, last. */
  readonly hops: readonly [first: readonly string[], middle: readonly string[], last: readonly string[]];
  /** The recipient's gateway. */
  readonly gateway: string;
  /** Names of all processes of the network, whether the message came by or not. */
  readonly processes: readonly string[];
  /** What has to be gathered. */
  readonly sources: readonly Source[];
  /** A process, by its name. */
  nodeParty(name: string): Party;
  /** The wire between who calls itself `from` and the node `to`; `undefined` for one that the message did not take. */
  wireParty(from: string, to: string): Party | undefined;
}

export interface Play {
  readonly author: Correspondent;
  readonly recipient: Correspondent;
  /** The paths of the message's packets. */
  readonly paths: readonly PathTaken[];
  /** Name of the gateway of a domain. */
  readonly gatewayOf: (domain: string) => string;
  /** Names of all nodes. */
  readonly nodes: readonly string[];
  readonly authorities: readonly string[];
}

/** Nodes keep to one layer, so a mix that was first for one packet was never in the middle for another. */
export function castOf({ author, recipient, paths, gatewayOf, nodes, authorities }: Play): Cast {
  const hops = hopsOf(paths);
  const [first, middle, last] = hops;
  const parties = new Map<string, Party>([
    ...authorities.map((name) => [name, 'authority'] as const),
    [gatewayOf(author.domain), "author's gateway"],
    [gatewayOf(recipient.domain), "recipient's gateway"],
    ...first.map((name) => [name, 'first mix'] as const),
    ...middle.map((name) => [name, 'middle mix'] as const),
    ...last.map((name) => [name, 'last mix'] as const),
  ]);
  const nodeParty = (name: string): Party => parties.get(name) ?? 'other mixes';
  const gateway = gatewayOf(recipient.domain);
  const processes = [...new Set([...authorities, ...nodes, ...hops.flat()])];
  return {
    table: networkTable,
    author,
    recipient,
    hops,
    gateway,
    processes,
    sources: [
      ...sourcesOf(processes),
      ...waitingAt(hops.flat(), 'relays'),
      ...waitingAt([gateway], 'fragments'),
    ],
    nodeParty,
    wireParty(from, to) {
      const ends = `${from === author.domain ? 'author' : nodeParty(from)} to ${nodeParty(to)}`;
      return wires[ends];
    },
  };
}

/** The mixes at each place of these paths. */
export function hopsOf(paths: readonly PathTaken[]): Cast['hops'] {
  const at = (hop: number): string[] => [...new Set(paths.map(({ hops }) => hops[hop] ?? ''))];
  return [at(0), at(1), at(2)];
}

/** Of every process of ours its folder, its log and its metrics. */
export function sourcesOf(processes: readonly string[]): Source[] {
  return processes.flatMap((owner) =>
    (['at rest', 'log', 'metrics'] as const).map((how) => ({ owner, how })),
  );
}

/** Of each of these a packet or a fragment that waited. */
export function waitingAt(owners: readonly string[], part: Shelf): Source[] {
  return owners.map((owner) => ({ owner, how: 'at rest', part }));
}

const wires: Readonly<Record<string, Party>> = {
  'author to first mix': 'wire: author to first mix',
  'first mix to middle mix': 'wire: first to middle mix',
  'middle mix to last mix': 'wire: middle to last mix',
  "last mix to recipient's gateway": 'wire: last mix to gateway',
};
