import type { PathTaken } from '@postern/client';
import type { Person } from '../people/person.ts';
import type { Party } from './table.ts';

/** Which party everybody was when one message went its way. */
export interface Cast {
  readonly author: Person;
  readonly recipient: Person;
  /** Names of the mixes that were first, in the middle, last. */
  readonly hops: readonly [first: readonly string[], middle: readonly string[], last: readonly string[]];
  /** The recipient's gateway. */
  readonly gateway: string;
  /** Names of all processes of the network, whether the message came by or not. */
  readonly processes: readonly string[];
  /** A process, by its name. */
  nodeParty(name: string): Party;
  /** The wire between who calls itself `from` and the node `to`; `undefined` for one that the message did not take. */
  wireParty(from: string, to: string): Party | undefined;
}

export interface Play {
  readonly author: Person;
  readonly recipient: Person;
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
  const at = (hop: number): string[] => [...new Set(paths.map(({ hops }) => hops[hop] ?? ''))];
  const hops = [at(0), at(1), at(2)] as const;
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
  return {
    author,
    recipient,
    hops,
    gateway: gatewayOf(recipient.domain),
    processes: [...new Set([...authorities, ...nodes, ...hops.flat()])],
    nodeParty,
    wireParty(from, to) {
      const ends = `${from === author.domain ? 'author' : nodeParty(from)} to ${nodeParty(to)}`;
      return wires[ends];
    },
  };
}

const wires: Readonly<Record<string, Party>> = {
  'author to first mix': 'wire: author to first mix',
  'first mix to middle mix': 'wire: first to middle mix',
  'middle mix to last mix': 'wire: middle to last mix',
  "last mix to recipient's gateway": 'wire: last mix to gateway',
};
