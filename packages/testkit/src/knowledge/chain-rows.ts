import { mixWires, type Rows } from './table.ts';

/** What a way between two domains is made of. */
export type Stretch =
  | 'always'
  | 'fromGateway'
  | 'fromAccount'
  | 'direct'
  | 'directByGateway'
  | 'bySmarthost'
  | 'byItself'
  | 'directFromAccount'
  | 'mix'
  | 'mixByGateway'
  | 'mixFromAccount'
  | 'listed'
  | 'unlisted'
  | 'read'
  | 'directReport'
  | 'mixReport';

/** What the parties of `chain-table.ts` may know, in the order of `kinds`. What a domain's own servers know of it, they know before any message. */
const always: Rows = {
  author: ['yes', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes', 'yes'],
  "author's mailbox host": ['yes', 'yes', 'no', 'no', 'no'],
  "recipient's mailbox host": ['no', 'no', 'yes', 'yes', 'no'],
  "author's resolver": ['no', 'no', 'no', 'yes', 'no'],
  // Mixes ask about the root alone where the consensus names the gateways of both.
  "mixes' resolver": ['no', 'no', 'no', 'no', 'no'],
};

const fromGateway: Rows = {
  // It serves the zones of both.
  'name server': ['no', 'yes', 'no', 'yes', 'no'],
  "wire: author to author's gateway": ['no', 'yes', 'no', 'no', 'no'],
  "wire: author's gateway to mailbox host": ['no', 'yes', 'no', 'no', 'no'],
};

/** The provider's mail server and mailbox host are the author's. The other domain has a gateway, and authors of its own. */
const fromAccount: Rows = {
  'name server': ['no', 'no', 'no', 'yes', 'no'],
  'other domain': ['no', 'no', 'no', 'no', 'no'],
  "wire: author to author's mail server": ['no', 'yes', 'no', 'no', 'no'],
};

const direct: Rows = {
  'other mixes': ['no', 'no', 'no', 'no', 'no'],
  authority: ['no', 'no', 'no', 'no', 'no'],
  "wire: mail server to recipient's gateway": ['no', 'no', 'no', 'yes', 'no'],
  'wire: directory': ['no', 'no', 'no', 'no', 'no'],
};

const directByGateway: Rows = {
  "author's gateway": ['yes', 'yes', 'no', 'passes', 'no'],
  "recipient's mail server": ['no', 'yes', 'no', 'yes', 'no'],
  "recipient's gateway": ['no', 'passes', 'passes', 'yes', 'no'],
  // The delivered message says which domain has signed the carriage.
  "recipient's mailbox host": ['no', 'yes', 'yes', 'yes', 'no'],
  "recipient's gateway's resolver": ['no', 'yes', 'no', 'yes', 'no'],
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

/** `From` of a carriage is the author, for all mail servers and for whoever opens it, which keeps nothing of that. Nobody signs it, and nobody is looked up. */
const directFromAccount: Rows = {
  "author's mail server": ['yes', 'yes', 'no', 'yes', 'no'],
  "recipient's mail server": ['yes', 'yes', 'no', 'yes', 'no'],
  "recipient's gateway": ['told', 'told', 'passes', 'yes', 'no'],
  "recipient's gateway's resolver": ['no', 'no', 'no', 'yes', 'no'],
  "mail servers' resolver": ['no', 'no', 'no', 'yes', 'no'],
  'wire: mail server to mail server': ['no', 'yes', 'no', 'yes', 'no'],
};

const mix: Rows = {
  'first mix': ['no', 'told', 'no', 'no', 'no', 'yes', 'passes', 'no'],
  'middle mix': ['no', 'no', 'no', 'no', 'no', 'told', 'yes', 'passes'],
  'last mix': ['no', 'no', 'no', 'passes', 'no', 'no', 'told', 'yes'],
  "recipient's mail server": ['no', 'no', 'no', 'yes', 'no'],
  "recipient's gateway's resolver": ['no', 'no', 'no', 'yes', 'no'],
  "mail servers' resolver": ['no', 'no', 'no', 'no', 'no'],
  authority: ['no', 'no', 'no', 'no', 'no', 'yes', 'yes', 'yes'],
  ...mixWires,
};

/** Nothing comes by the author's mail server, and the gateway asks for no other domain. */
const mixByGateway: Rows = {
  "author's gateway": ['yes', 'yes', 'no', 'no', 'no', 'passes', 'no', 'no'],
  // A reply block says where its way begins; with three mixes that is the letter's first.
  "recipient's gateway": ['no', 'no', 'passes', 'yes', 'no', 'passes', 'no', 'told'],
  "author's mail server": ['no', 'yes', 'no', 'no', 'no'],
  "author's gateway's resolver": ['no', 'yes', 'no', 'no', 'no'],
  "wire: author's gateway to first mix": ['no', 'yes', 'no', 'no', 'no', 'yes', 'no', 'no'],
};

/** The provider finds the first mix as any domain. Without a gateway of the author's there is no reply block. */
const mixFromAccount: Rows = {
  "author's mail server": ['yes', 'yes', 'no', 'no', 'no', 'yes', 'no', 'no'],
  'first mix': ['told', 'told', 'no', 'no', 'no', 'yes', 'passes', 'no'],
  "recipient's gateway": ['no', 'no', 'passes', 'yes', 'no', 'no', 'no', 'told'],
  "mail servers' resolver": ['no', 'no', 'no', 'no', 'no', 'yes', 'no', 'no'],
  // It serves the zone of the mixes' names.
  'name server': ['no', 'no', 'no', 'yes', 'no', 'yes', 'no', 'no'],
  "wire: author's mail server to first mix": ['no', 'yes', 'no', 'no', 'no', 'yes', 'no', 'no'],
};

const listed: Rows = {
  'wire: last mix to gateway': ['no', 'no', 'no', 'yes', 'no', 'no', 'no', 'yes'],
};

/** The last mix asks for the domain, and hands over to the mail server in front of the gateway. */
const unlisted: Rows = {
  "mixes' resolver": ['no', 'no', 'no', 'yes', 'no'],
  "recipient's mail server": ['no', 'no', 'no', 'yes', 'no', 'no', 'no', 'yes'],
  "wire: last mix to recipient's mail server": ['no', 'no', 'no', 'yes', 'no', 'no', 'no', 'yes'],
  "wire: mail server to recipient's gateway": ['no', 'no', 'no', 'yes', 'no'],
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

export const chainRows: Readonly<Record<Stretch, Rows>> = {
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
