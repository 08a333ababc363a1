import type { FactKind } from '../adversary/facts.ts';

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
  | 'wire: directory';

/**
 * `yes`: may know. `told`: hears it from whoever hands something over, and neither keeps it nor tells it further. `no`: must not
 * know: it stands nowhere in what the party stores, logs, counts, is sent or sends.
 */
export type May = 'yes' | 'told' | 'no';

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

/**
 * Who may know what (docs/threat-model.md), in the order of `kinds`. The mixes' own names stand there because the path is as much of a secret
 * as its ends: each party knows its neighbours on it and nobody else. That a domain or a node exists is published by the
 * directory; that this message has to do with it is not.
 */
const rows: Readonly<Record<Party, readonly May[]>> = {
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
  'wire: first to middle mix': ['no', 'no', 'no', 'no', 'no', 'yes', 'yes', 'no'],
  'wire: middle to last mix': ['no', 'no', 'no', 'no', 'no', 'no', 'yes', 'yes'],
  'wire: last mix to gateway': ['no', 'no', 'no', 'yes', 'no', 'no', 'no', 'yes'],
  'wire: directory': ['no', 'no', 'no', 'no', 'no', 'yes', 'yes', 'yes'],
};

export const parties: readonly Party[] = Object.keys(rows) as Party[];

export function mayKnow(party: Party, kind: FactKind): May {
  return rows[party][kinds.indexOf(kind)] ?? 'no';
}

/** What is found whenever a message has gone its way. When it is not, the search is blind, and finding nothing else means nothing. */
export const surelyFound: readonly (readonly [Party, FactKind])[] = [
  ['author', 'author mailbox'],
  ['author', 'author domain'],
  ['author', 'recipient mailbox'],
  ['author', 'recipient domain'],
  ['author', 'content'],
  ['recipient', 'author mailbox'],
  ['recipient', 'recipient mailbox'],
  ['recipient', 'content'],
  ['first mix', 'author domain'],
  ['first mix', 'middle mix'],
  ['middle mix', 'first mix'],
  ['middle mix', 'last mix'],
  ['last mix', 'middle mix'],
  ['last mix', 'recipient domain'],
  ["recipient's gateway", 'recipient mailbox'],
  ["recipient's gateway", 'recipient domain'],
  ["recipient's gateway", 'last mix'],
  ['wire: author to first mix', 'author domain'],
  ['wire: first to middle mix', 'first mix'],
  ['wire: middle to last mix', 'last mix'],
  ['wire: last mix to gateway', 'recipient domain'],
];
