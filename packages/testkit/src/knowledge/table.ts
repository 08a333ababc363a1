import type { FactKind } from '../adversary/facts.ts';
import type { How, Part } from './evidence.ts';

/** Who is watched while one message goes its way. */
export type Party =
  | 'author'
  | 'recipient'
  | 'first mix'
  | 'middle mix'
  | 'last mix'
  | "recipient's gateway"
  | "author's gateway"
  | 'other mixes'
  | 'authority'
  | 'wire: author to first mix'
  | 'wire: first to middle mix'
  | 'wire: middle to last mix'
  | 'wire: last mix to gateway'
  | 'wire: directory'
  | ChainParty;

/** Who stands on the way besides when two domains run mail servers: the table of it is in `chain-table.ts`. */
export type ChainParty =
  | "author's mail server"
  | "recipient's mail server"
  | "author's mailbox host"
  | "recipient's mailbox host"
  | "author's resolver"
  | "author's gateway's resolver"
  | "recipient's gateway's resolver"
  | "mail servers' resolver"
  | "mixes' resolver"
  | 'name server'
  /** The servers of a domain that the message has nothing to do with. */
  | 'other domain'
  | "wire: author to author's gateway"
  | "wire: author to author's mail server"
  | "wire: author's gateway to mailbox host"
  | "wire: author's gateway to mail server"
  | "wire: author's gateway to recipient's mail server"
  | 'wire: mail server to mail server'
  | "wire: mail server to recipient's gateway"
  | "wire: recipient's gateway to mail server"
  | "wire: mail server to author's gateway"
  | "wire: author's gateway to first mix"
  | "wire: author's mail server to first mix"
  | "wire: last mix to recipient's mail server"
  | "wire: recipient's gateway to first mix"
  | "wire: last mix to author's gateway";

/**
 * `yes`: may know. `passes`: may know while something waits, which no log and no count tells, and nothing of it is left once that is
 * over. `told`: hears it from whoever hands something over, and neither keeps it nor tells it further. `no`: must not know: it stands nowhere in what the party stores, logs, counts,
 * is sent or sends.
 */
export type May = 'yes' | 'passes' | 'told' | 'no';

/** Who may know what, of one way that a message goes. */
export interface Table {
  readonly parties: readonly Party[];
  mayKnow(party: Party, kind: FactKind): May;
  /** What is found whenever a message has gone that way. When it is not, the search is blind there, and finding nothing else means nothing. */
  readonly surelyFound: readonly Sure[];
}

/** What each party may know, in the order of `kinds`; what is not said is `no`. */
export type Rows = Readonly<Partial<Record<Party, readonly May[]>>>;

export function tableOf(rows: Rows, surelyFound: readonly Sure[]): Table {
  return {
    parties: Object.keys(rows) as Party[],
    mayKnow: (party, kind) => rows[party]?.[kinds.indexOf(kind)] ?? 'no',
    surelyFound,
  };
}

export const kinds: readonly FactKind[] = [
  'author mailbox',
  'author domain',
  'recipient mailbox',
  'recipient domain',
  'content',
  'first mix',
  'middle mix',
  'last mix',
];

/** The wires behind the first mix, and those to the directory: the same whoever handed the message to the first mix. */
export const mixWires: Rows = {
  'wire: first to middle mix': ['no', 'no', 'no', 'no', 'no', 'yes', 'yes', 'no'],
  'wire: middle to last mix': ['no', 'no', 'no', 'no', 'no', 'no', 'yes', 'yes'],
  'wire: directory': ['no', 'no', 'no', 'no', 'no', 'yes', 'yes', 'yes'],
};

/**
 * Who may know what (docs/threat-model.md), in the order of `kinds`. The mixes' own names stand there because the path is as much of a secret
 * as its ends: each party knows its neighbours on it and nobody else. That a domain or a node exists is published by the
 * directory; that this message has to do with it is not.
 */
const rows: Rows = {
  author: ['yes', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes'],
  recipient: ['yes', 'yes', 'yes', 'yes', 'yes', 'no', 'no', 'no'],
  'first mix': ['no', 'told', 'no', 'no', 'no', 'yes', 'yes', 'no'],
  'middle mix': ['no', 'no', 'no', 'no', 'no', 'told', 'yes', 'yes'],
  'last mix': ['no', 'no', 'no', 'yes', 'no', 'no', 'told', 'yes'],
  "recipient's gateway": ['no', 'no', 'yes', 'yes', 'no', 'no', 'no', 'told'],
  // It is not on the path. Its own domain and mailboxes stand in its configuration.
  "author's gateway": ['yes', 'yes', 'no', 'no', 'no', 'no', 'no', 'no'],
  'other mixes': ['no', 'no', 'no', 'no', 'no', 'no', 'no', 'no'],
  // That a node exists is what it is there to know; a node's name alone says nothing of a path.
  authority: ['no', 'no', 'no', 'no', 'no', 'yes', 'yes', 'yes'],
  'wire: author to first mix': ['no', 'yes', 'no', 'no', 'no', 'yes', 'no', 'no'],
  ...mixWires,
  'wire: last mix to gateway': ['no', 'no', 'no', 'yes', 'no', 'no', 'no', 'yes'],
};

/** A fact that a party has for sure, and where it stands: what it is told elsewhere does not count. */
export interface Sure {
  readonly party: Party;
  readonly kind: FactKind;
  readonly how: How;
  readonly part?: Part;
}

/** What is found at the mixes and behind them, whoever handed the message to the first one. */
export const foundAtMixes: readonly Sure[] = [
  { party: 'first mix', kind: 'author domain', how: 'received' },
  ...inSpool('first mix', 'relays', 'middle mix'),
  { party: 'first mix', kind: 'first mix', how: 'sent' },
  { party: 'middle mix', kind: 'first mix', how: 'received' },
  ...inSpool('middle mix', 'relays', 'last mix'),
  { party: 'middle mix', kind: 'middle mix', how: 'sent' },
  { party: 'last mix', kind: 'middle mix', how: 'received' },
  ...inSpool('last mix', 'relays', 'recipient domain'),
  { party: 'last mix', kind: 'last mix', how: 'sent' },
  { party: "recipient's gateway", kind: 'last mix', how: 'received' },
  ...onWire('wire: first to middle mix', 'first mix', 'middle mix'),
  ...onWire('wire: middle to last mix', 'middle mix', 'last mix'),
];

const sure: readonly Sure[] = [
  ...all(
    'author',
    'at rest',
    'author mailbox',
    'author domain',
    'recipient mailbox',
    'recipient domain',
    'content',
  ),
  ...all('recipient', 'at rest', 'author mailbox', 'recipient mailbox', 'content'),
  ...foundAtMixes,
  ...onWire('wire: last mix to gateway', 'last mix', 'recipient domain'),
  ...inSpool("recipient's gateway", 'fragments', 'recipient mailbox'),
  { party: "recipient's gateway", kind: 'recipient domain', how: 'at rest' },
  { party: "author's gateway", kind: 'author mailbox', how: 'at rest' },
  ...onWire('wire: author to first mix', 'author domain', 'first mix'),
];

/** Of a message that its author hands to the first mix, in a network of mixes and gateways alone. */
export const networkTable: Table = tableOf(rows, sure);

export const parties: readonly Party[] = networkTable.parties;
export const mayKnow: Table['mayKnow'] = networkTable.mayKnow;
export const surelyFound: readonly Sure[] = sure;

/** All of these at one place. */
export function all(party: Party, how: How, ...of: readonly FactKind[]): Sure[] {
  return of.map((kind) => ({ party, kind, how }));
}

/** A spool is looked at twice: as bytes on a disk, where what was removed may linger, and through SQLite. */
export function inSpool(party: Party, shelf: 'relays' | 'fragments', kind: FactKind): Sure[] {
  return (['spool', shelf] as const).map((part) => ({ party, kind, how: 'at rest', part }));
}

/** In the clear both ends say who they are: one in its EHLO, the other in its greeting. */
export function onWire(party: Party, ...both: readonly FactKind[]): Sure[] {
  return all(party, 'wire', ...both);
}
