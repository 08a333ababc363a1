import {
  all,
  foundAtMixes,
  inSpool,
  mixWires,
  onWire,
  type Party,
  type Rows,
  type Sure,
  type Table,
  tableOf,
} from './table.ts';

/**
 * How a letter goes from one domain to the other by way of the gateways of both, and what becomes of it: it lies in a mailbox, or the
 * recipient's gateway reports that there is no such mailbox.
 */
export interface Way {
  readonly mode: 'direct' | 'mix';
  readonly end: 'delivered' | 'reported';
  /** Whether the author's gateway hands what goes direct to its domain's mail server, or to the other domain's itself. */
  readonly smarthost: boolean;
}

/** Through mixes a smarthost has nothing to do. */
export const chainWays: readonly Way[] = (
  [
    { mode: 'direct', smarthost: true },
    { mode: 'direct', smarthost: false },
    { mode: 'mix', smarthost: true },
  ] as const
).flatMap((one) => (['delivered', 'reported'] as const).map((end) => ({ ...one, end })));

/**
 * Who may know what of a letter on that way, report included (docs/threat-model.md). Both gateways run beside a Postfix and a Dovecot of their
 * domain.
 */
export function chainTable({ mode, end, smarthost }: Way): Table {
  const reported = end === 'reported';
  const rows: Rows = {
    ...(mode === 'direct' ? { ...direct, ...(smarthost ? bySmarthost : byItself) } : mix),
    ...(reported ? (mode === 'direct' ? directReport : mixReport) : read),
  };
  return tableOf(rows, [
    ...found,
    ...(mode === 'direct' ? [...foundDirect, ...(smarthost ? foundBySmarthost : foundByItself)] : foundMix),
    ...(reported ? (mode === 'direct' ? foundDirectReport : foundMixReport) : foundRead),
  ]);
}

/** In the order of `kinds`. What a domain's own servers know of it, they know before any message. */
const always: Rows = {
  author: ['yes', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes'],
  "author's mailbox host": ['yes', 'yes', 'no', 'no', 'no'],
  "recipient's mailbox host": ['no', 'no', 'yes', 'yes', 'no'],
  "author's resolver": ['no', 'no', 'no', 'yes', 'no'],
  // Mixes ask about the root alone: the consensus names the gateways of both.
  "mixes' resolver": ['no', 'no', 'no', 'no', 'no'],
  // It serves the zones of both.
  'name server': ['no', 'yes', 'no', 'yes', 'no'],
  "wire: author to author's gateway": ['no', 'yes', 'no', 'no', 'no'],
  "wire: author's gateway to mailbox host": ['no', 'yes', 'no', 'no', 'no'],
};

const direct: Rows = {
  ...always,
  "author's gateway": ['yes', 'yes', 'no', 'passes', 'no'],
  "recipient's mail server": ['no', 'yes', 'no', 'yes', 'no'],
  "recipient's gateway": ['no', 'passes', 'passes', 'yes', 'no'],
  // The delivered message says which domain has signed the carriage.
  "recipient's mailbox host": ['no', 'yes', 'yes', 'yes', 'no'],
  "recipient's gateway's resolver": ['no', 'yes', 'no', 'yes', 'no'],
  'other mixes': ['no', 'no', 'no', 'no', 'no'],
  authority: ['no', 'no', 'no', 'no', 'no'],
  "wire: mail server to recipient's gateway": ['no', 'no', 'no', 'yes', 'no'],
  'wire: directory': ['no', 'no', 'no', 'no', 'no'],
};

/** The smarthost finds the way to the other domain. A gateway that only receives signs no report, so nobody looks its key up. */
const bySmarthost: Rows = {
  "author's mail server": ['no', 'yes', 'no', 'yes', 'no'],
  "author's gateway's resolver": ['no', 'yes', 'no', 'no', 'no'],
  // Both domains' servers ask it, and only the author's asks anything: where the other domain takes mail.
  "mail servers' resolver": ['no', 'no', 'no', 'yes', 'no'],
  "wire: author's gateway to mail server": ['no', 'yes', 'no', 'no', 'no'],
  'wire: mail server to mail server': ['no', 'yes', 'no', 'yes', 'no'],
};

/** The author's gateway finds it, and no mail server of its domain has to do with the letter. */
const byItself: Rows = {
  "author's mail server": ['no', 'yes', 'no', 'no', 'no'],
  "author's gateway's resolver": ['no', 'yes', 'no', 'yes', 'no'],
  "mail servers' resolver": ['no', 'no', 'no', 'no', 'no'],
  "wire: author's gateway to recipient's mail server": ['no', 'yes', 'no', 'yes', 'no'],
};

const mix: Rows = {
  ...always,
  "author's gateway": ['yes', 'yes', 'no', 'no', 'no', 'passes', 'no', 'no'],
  'first mix': ['no', 'told', 'no', 'no', 'no', 'yes', 'passes', 'no'],
  'middle mix': ['no', 'no', 'no', 'no', 'no', 'told', 'yes', 'passes'],
  'last mix': ['no', 'no', 'no', 'passes', 'no', 'no', 'told', 'yes'],
  // A reply block says where its way begins; with three mixes that is the letter's first.
  "recipient's gateway": ['no', 'no', 'passes', 'yes', 'no', 'passes', 'no', 'told'],
  // Nothing comes by the mail servers, and no gateway asks for another domain.
  "author's mail server": ['no', 'yes', 'no', 'no', 'no'],
  "recipient's mail server": ['no', 'no', 'no', 'yes', 'no'],
  "author's gateway's resolver": ['no', 'yes', 'no', 'no', 'no'],
  "recipient's gateway's resolver": ['no', 'no', 'no', 'yes', 'no'],
  "mail servers' resolver": ['no', 'no', 'no', 'no', 'no'],
  authority: ['no', 'no', 'no', 'no', 'no', 'yes', 'yes', 'yes'],
  "wire: author's gateway to first mix": ['no', 'yes', 'no', 'no', 'no', 'yes', 'no', 'no'],
  ...mixWires,
};

/** Who reads it knows who wrote it, and of its way nothing but what their gateway was told. */
const read: Rows = { recipient: ['yes', 'yes', 'yes', 'yes', 'yes'] };

/** It comes to the mail server that the author's domain publishes, whichever way the letter took. */
const directReport: Rows = {
  "author's mail server": ['no', 'yes', 'no', 'yes', 'no'],
  "wire: recipient's gateway to mail server": ['no', 'yes', 'no', 'yes', 'no'],
  "wire: mail server to author's gateway": ['no', 'yes', 'no', 'no', 'no'],
};

/** A report is a packet the other way. In a network of three mixes it takes the same ones: each has to do with both domains, and joins neither to the other. */
const mixReport: Rows = {
  "author's gateway": ['yes', 'yes', 'no', 'no', 'no', 'passes', 'no', 'told'],
  'first mix': ['no', 'told', 'no', 'told', 'no', 'yes', 'passes', 'no'],
  'last mix': ['no', 'passes', 'no', 'passes', 'no', 'no', 'told', 'yes'],
  "wire: recipient's gateway to first mix": ['no', 'no', 'no', 'yes', 'no', 'yes', 'no', 'no'],
  "wire: last mix to author's gateway": ['no', 'yes', 'no', 'no', 'no', 'no', 'no', 'yes'],
};

const found: readonly Sure[] = [
  ...all(
    'author',
    'at rest',
    'author mailbox',
    'author domain',
    'recipient mailbox',
    'recipient domain',
    'content',
  ),
  ...all("author's gateway", 'received', 'author mailbox', 'author domain'),
  // The ledger by which reports find their authors.
  { party: "author's gateway", kind: 'author mailbox', how: 'at rest', part: 'left' },
  { party: "author's mailbox host", kind: 'author mailbox', how: 'log' },
  ...all("recipient's mailbox host", 'received', 'recipient mailbox', 'recipient domain'),
  ...inSpool("recipient's gateway", 'fragments', 'recipient mailbox'),
  { party: "recipient's gateway", kind: 'recipient mailbox', how: 'sent' },
  { party: "author's resolver", kind: 'recipient domain', how: 'log' },
  { party: 'name server', kind: 'recipient domain', how: 'received' },
  { party: "wire: author to author's gateway", kind: 'author domain', how: 'wire' },
];

const foundDirect: readonly Sure[] = [
  ...inSpool("author's gateway", 'relays', 'recipient domain'),
  { party: "author's gateway", kind: 'recipient domain', how: 'sent' },
  ...inQueue("recipient's mail server"),
  ...all("recipient's mail server", 'log', 'author domain', 'recipient domain'),
  ...inSpool("recipient's gateway", 'fragments', 'author domain'),
  ...all("recipient's gateway", 'received', 'author domain', 'recipient domain'),
  { party: "recipient's gateway's resolver", kind: 'author domain', how: 'log' },
  { party: 'name server', kind: 'author domain', how: 'received' },
  ...onWire("wire: mail server to recipient's gateway", 'recipient domain'),
];

const foundBySmarthost: readonly Sure[] = [
  ...inQueue("author's mail server"),
  ...all("author's mail server", 'log', 'author domain', 'recipient domain'),
  { party: "mail servers' resolver", kind: 'recipient domain', how: 'log' },
  ...onWire("wire: author's gateway to mail server", 'author domain'),
  ...onWire('wire: mail server to mail server', 'author domain', 'recipient domain'),
];

const foundByItself: readonly Sure[] = [
  { party: "author's gateway's resolver", kind: 'recipient domain', how: 'log' },
  ...onWire("wire: author's gateway to recipient's mail server", 'author domain', 'recipient domain'),
];

const foundMix: readonly Sure[] = [
  ...inSpool("author's gateway", 'relays', 'first mix'),
  ...foundAtMixes,
  ...onWire("wire: author's gateway to first mix", 'author domain', 'first mix'),
];

const foundRead: readonly Sure[] = [
  ...all('recipient', 'at rest', 'author mailbox', 'recipient mailbox', 'content'),
  { party: "recipient's mailbox host", kind: 'recipient mailbox', how: 'log' },
];

const foundDirectReport: readonly Sure[] = [
  ...inQueue("author's mail server"),
  { party: "author's mailbox host", kind: 'author mailbox', how: 'received' },
  ...onWire("wire: recipient's gateway to mail server", 'author domain', 'recipient domain'),
  ...onWire("wire: mail server to author's gateway", 'author domain'),
];

const foundMixReport: readonly Sure[] = [
  { party: "author's mailbox host", kind: 'author mailbox', how: 'received' },
  { party: "author's gateway", kind: 'last mix', how: 'received' },
  { party: 'first mix', kind: 'recipient domain', how: 'received' },
  { party: 'last mix', kind: 'author domain', how: 'sent' },
  ...onWire("wire: recipient's gateway to first mix", 'recipient domain', 'first mix'),
  ...onWire("wire: last mix to author's gateway", 'last mix', 'author domain'),
];

function inQueue(party: Party): Sure[] {
  return all(party, 'at rest', 'author domain', 'recipient domain').map((one) => ({ ...one, part: 'queue' }));
}
