import type { PathTaken } from '@postern/client';
import { type Cast, type Correspondent, hopsOf, type Source, sourcesOf, waitingAt } from './cast.ts';
import { chainTable, type Way } from './chain-table.ts';
import type { Party } from './table.ts';

/** What the servers of a domain are called. */
export interface ServerNames {
  readonly gateway: string;
  /** Postfix. */
  readonly mail: string;
  /** Dovecot. */
  readonly mailboxes: string;
}

export interface ChainPlay {
  readonly way: Way;
  readonly author: Correspondent;
  readonly recipient: Correspondent;
  readonly serversOf: (domain: string) => ServerNames;
  /** Names of the resolvers of the author, of the author's gateway, and of the recipient's. */
  readonly resolvers: readonly [author: string, authorsGateway: string, recipientsGateway: string];
  readonly nameServer: string;
  readonly authority: string;
  /** Names of all mixes. */
  readonly mixes: readonly string[];
  /** The paths of the letter's packets; none of a direct one. */
  readonly paths: readonly PathTaken[];
}

/** Which party everybody is between two domains that write to each other by way of their servers. */
export function chainCast(play: ChainPlay): Cast {
  const { way, author, recipient, serversOf, nameServer, authority, mixes } = play;
  const [authors, recipients] = [serversOf(author.domain), serversOf(recipient.domain)];
  const hops: Cast['hops'] = way.mode === 'mix' ? hopsOf(play.paths) : [[], [], []];
  const [first, middle, last] = hops;
  const parties = new Map<string, Party>([
    [author.domain, 'author'],
    [author.mailbox, 'author'],
    [authors.gateway, "author's gateway"],
    [authors.mail, "author's mail server"],
    [authors.mailboxes, "author's mailbox host"],
    [recipients.gateway, "recipient's gateway"],
    [recipients.mail, "recipient's mail server"],
    [recipients.mailboxes, "recipient's mailbox host"],
    [play.resolvers[0], "author's resolver"],
    [play.resolvers[1], "author's gateway's resolver"],
    [play.resolvers[2], "recipient's gateway's resolver"],
    [nameServer, 'name server'],
    [authority, 'authority'],
    ...first.map((name) => [name, 'first mix'] as const),
    ...middle.map((name) => [name, 'middle mix'] as const),
    ...last.map((name) => [name, 'last mix'] as const),
  ]);
  const nodeParty = (name: string): Party => parties.get(name) ?? 'other mixes';
  const nodes = [...mixes, authors.gateway, recipients.gateway];
  const processes = [authority, ...nodes];
  const servers = [authors.mail, recipients.mail, authors.mailboxes, recipients.mailboxes];
  const [, , recipientsResolver] = play.resolvers;
  const of = (owners: readonly string[], source: Omit<Source, 'owner'>): Source[] =>
    owners.map((owner) => ({ owner, ...source }));
  return {
    table: chainTable(way),
    author,
    recipient,
    hops,
    gateway: recipients.gateway,
    processes,
    sources: [
      ...sourcesOf(processes),
      ...of(servers, { how: 'at rest' }),
      ...of(servers, { how: 'log' }),
      ...of(play.resolvers, { how: 'at rest' }),
      // Where nothing is asked, nothing is logged.
      ...of([play.resolvers[0], ...(way.mode === 'direct' ? [recipientsResolver] : [])], { how: 'log' }),
      ...of([nameServer], { how: 'received' }),
      ...of([recipients.mailboxes, authors.gateway, recipients.gateway], { how: 'received' }),
      ...waitingAt([authors.gateway, ...hops.flat()], 'relays'),
      ...waitingAt([recipients.gateway], 'fragments'),
      ...of(nodes, { how: 'at rest', part: 'left' }),
      ...of(way.mode === 'direct' ? [authors.mail, recipients.mail] : [], { how: 'at rest', part: 'queue' }),
      ...of([author.mailbox], { how: 'sent', part: 'message' }),
    ],
    nodeParty,
    wireParty: (from, to) => wires[`${nodeParty(from)} to ${nodeParty(to)}`],
  };
}

const wires: Readonly<Record<string, Party>> = {
  "author to author's gateway": "wire: author to author's gateway",
  "author's gateway to author's mail server": "wire: author's gateway to mail server",
  "author's mail server to recipient's mail server": 'wire: mail server to mail server',
  "recipient's mail server to recipient's gateway": "wire: mail server to recipient's gateway",
  "recipient's gateway to author's mail server": "wire: recipient's gateway to mail server",
  "author's mail server to author's gateway": "wire: mail server to author's gateway",
  "author's gateway to first mix": "wire: author's gateway to first mix",
  'first mix to middle mix': 'wire: first to middle mix',
  'middle mix to last mix': 'wire: middle to last mix',
  "last mix to recipient's gateway": 'wire: last mix to gateway',
  "recipient's gateway to first mix": "wire: recipient's gateway to first mix",
  "last mix to author's gateway": "wire: last mix to author's gateway",
};
