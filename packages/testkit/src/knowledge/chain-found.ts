import type { FactKind } from '../adversary/facts.ts';
import type { Stretch } from './chain-rows.ts';
import { all, foundAtMixes, inSpool, onWire, type Party, type Sure } from './table.ts';

/** What the parties of `chain-table.ts` have for sure, stretch by stretch. */
const always: readonly Sure[] = [
  ...all(
    'author',
    'at rest',
    'author mailbox',
    'author domain',
    'recipient mailbox',
    'recipient domain',
    'content',
  ),
  ...all("recipient's mailbox host", 'received', 'recipient mailbox', 'recipient domain'),
  ...inSpool("recipient's gateway", 'fragments', 'recipient mailbox'),
  { party: "recipient's gateway", kind: 'recipient mailbox', how: 'sent' },
  { party: "author's resolver", kind: 'recipient domain', how: 'log' },
  { party: 'name server', kind: 'recipient domain', how: 'received' },
];

const fromGateway: readonly Sure[] = [
  ...all("author's gateway", 'received', 'author mailbox', 'author domain'),
  // The ledger by which reports find their authors.
  { party: "author's gateway", kind: 'author mailbox', how: 'at rest', part: 'left' },
  { party: "author's mailbox host", kind: 'author mailbox', how: 'log' },
  ...onWire("wire: author to author's gateway", 'author domain'),
];

const fromAccount: readonly Sure[] = [
  ...all("author's mail server", 'received', 'author mailbox', 'author domain'),
  ...all("author's mail server", 'log', 'author mailbox', 'author domain'),
  ...inQueue("author's mail server", 'author mailbox', 'author domain'),
  ...onWire("wire: author to author's mail server", 'author domain'),
];

const direct: readonly Sure[] = [
  ...inQueue("recipient's mail server", 'author domain', 'recipient domain'),
  ...all("recipient's mail server", 'log', 'author domain', 'recipient domain'),
  ...all("recipient's gateway", 'received', 'author domain', 'recipient domain'),
  ...onWire("wire: mail server to recipient's gateway", 'recipient domain'),
];

const directByGateway: readonly Sure[] = [
  ...inSpool("author's gateway", 'relays', 'recipient domain'),
  { party: "author's gateway", kind: 'recipient domain', how: 'sent' },
  ...inSpool("recipient's gateway", 'fragments', 'author domain'),
  { party: "recipient's gateway's resolver", kind: 'author domain', how: 'log' },
  { party: 'name server', kind: 'author domain', how: 'received' },
];

const bySmarthost: readonly Sure[] = [
  ...inQueue("author's mail server", 'author domain', 'recipient domain'),
  ...all("author's mail server", 'log', 'author domain', 'recipient domain'),
  { party: "mail servers' resolver", kind: 'recipient domain', how: 'log' },
  ...onWire("wire: author's gateway to mail server", 'author domain'),
  ...onWire('wire: mail server to mail server', 'author domain', 'recipient domain'),
];

const byItself: readonly Sure[] = [
  { party: "author's gateway's resolver", kind: 'recipient domain', how: 'log' },
  ...onWire("wire: author's gateway to recipient's mail server", 'author domain', 'recipient domain'),
];

const directFromAccount: readonly Sure[] = [
  ...inQueue("author's mail server", 'recipient domain'),
  { party: "author's mail server", kind: 'recipient domain', how: 'log' },
  ...inQueue("recipient's mail server", 'author mailbox'),
  { party: "recipient's mail server", kind: 'author mailbox', how: 'log' },
  { party: "recipient's gateway", kind: 'author mailbox', how: 'received' },
  { party: "mail servers' resolver", kind: 'recipient domain', how: 'log' },
  ...onWire('wire: mail server to mail server', 'author domain', 'recipient domain'),
];

const mix: readonly Sure[] = foundAtMixes;

const mixByGateway: readonly Sure[] = [
  ...inSpool("author's gateway", 'relays', 'first mix'),
  ...onWire("wire: author's gateway to first mix", 'author domain', 'first mix'),
];

const mixFromAccount: readonly Sure[] = [
  ...inQueue("author's mail server", 'first mix'),
  { party: "author's mail server", kind: 'first mix', how: 'log' },
  { party: 'first mix', kind: 'author mailbox', how: 'received' },
  { party: "mail servers' resolver", kind: 'first mix', how: 'log' },
  { party: 'name server', kind: 'first mix', how: 'received' },
  ...onWire("wire: author's mail server to first mix", 'author domain', 'first mix'),
];

const listed: readonly Sure[] = onWire('wire: last mix to gateway', 'last mix', 'recipient domain');

const unlisted: readonly Sure[] = [
  { party: "mixes' resolver", kind: 'recipient domain', how: 'log' },
  ...inQueue("recipient's mail server", 'recipient domain', 'last mix'),
  ...all("recipient's mail server", 'log', 'recipient domain', 'last mix'),
  ...onWire("wire: last mix to recipient's mail server", 'last mix', 'recipient domain'),
  ...onWire("wire: mail server to recipient's gateway", 'recipient domain'),
];

const read: readonly Sure[] = [
  ...all('recipient', 'at rest', 'author mailbox', 'recipient mailbox', 'content'),
  { party: "recipient's mailbox host", kind: 'recipient mailbox', how: 'log' },
];

const directReport: readonly Sure[] = [
  ...inQueue("author's mail server", 'author domain', 'recipient domain'),
  { party: "author's mailbox host", kind: 'author mailbox', how: 'received' },
  ...onWire("wire: recipient's gateway to mail server", 'author domain', 'recipient domain'),
  ...onWire("wire: mail server to author's gateway", 'author domain'),
];

const mixReport: readonly Sure[] = [
  { party: "author's mailbox host", kind: 'author mailbox', how: 'received' },
  { party: "author's gateway", kind: 'last mix', how: 'received' },
  { party: 'first mix', kind: 'recipient domain', how: 'received' },
  { party: 'last mix', kind: 'author domain', how: 'sent' },
  ...onWire("wire: recipient's gateway to first mix", 'recipient domain', 'first mix'),
  ...onWire("wire: last mix to author's gateway", 'last mix', 'author domain'),
];

export const chainFound: Readonly<Record<Stretch, readonly Sure[]>> = {
  always,
  fromGateway,
  fromAccount,
  direct,
  directByGateway,
  bySmarthost,
  byItself,
  directFromAccount,
  mix,
  mixByGateway,
  mixFromAccount,
  listed,
  unlisted,
  read,
  directReport,
  mixReport,
};

function inQueue(party: Party, ...of: readonly FactKind[]): Sure[] {
  return of.map((kind) => ({ party, kind, how: 'at rest', part: 'queue' }));
}
