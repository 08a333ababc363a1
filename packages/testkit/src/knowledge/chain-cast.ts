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

/** What the resolvers are called, by who asks them. */
export interface ResolverNames {
  readonly author: string;
  /** Of the gateway that authors submit to; from an account it is the other domain's. */
  readonly authorsGateway: string;
  readonly recipientsGateway: string;
  /** That of all domains. */
  readonly mailServers: string;
  /** That of all mixes. */
  readonly mixes: string;
}

export interface ChainPlay {
  readonly way: Way;
  readonly author: Correspondent;
  readonly recipient: Correspondent;
  /** The provider of an account has no gateway. */
  readonly serversOf: (domain: string) => ServerNames;
  readonly resolvers: ResolverNames;
  /** That has nothing to do with a letter from an account, and is the author's of any other. */
  readonly otherDomain: string;
  readonly nameServer: string;
  readonly authority: string;
  /** Names of all mixes. */
  readonly mixes: readonly string[];
  /** The paths of the letter's packets; none of a direct one. */
  readonly paths: readonly PathTaken[];
}

/** Which party everybody is between two domains that write to each other by way of their servers. */
export function chainCast(play: ChainPlay): Cast {
  const { way, author, recipient, serversOf, resolvers, authority, mixes } = play;
  const [authors, recipients] = [serversOf(author.domain), serversOf(recipient.domain)];
  const other = serversOf(play.otherDomain);
  const account = way.by === 'account';
  const hops: Cast['hops'] = way.mode === 'mix' ? hopsOf(play.paths) : [[], [], []];
  const parties = partiesIn(play, hops);
  const nodeParty = (name: string): Party => parties.get(name) ?? 'other mixes';
  const nodes = [...mixes, account ? other.gateway : authors.gateway, recipients.gateway];
  const processes = [authority, ...nodes];
  const servers = [authors.mail, recipients.mail, authors.mailboxes, recipients.mailboxes];
  const submitsTo = account ? authors.mail : authors.gateway;
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
      // A provider's Dovecot only checks a password, and logs nothing of it.
      ...of(
        servers.filter((name) => !account || name !== authors.mailboxes),
        { how: 'log' },
      ),
      ...of(Object.values(resolvers), { how: 'at rest' }),
      ...of(askedOn(way, resolvers), { how: 'log' }),
      ...of([play.nameServer], { how: 'received' }),
      ...of([recipients.mailboxes, submitsTo, recipients.gateway], { how: 'received' }),
      ...waitingAt([...(account ? [] : [authors.gateway]), ...hops.flat()], 'relays'),
      ...waitingAt([recipients.gateway], 'fragments'),
      ...of(nodes, { how: 'at rest', part: 'left' }),
      ...of(queuesOn(way, authors, recipients), { how: 'at rest', part: 'queue' }),
      ...of([author.mailbox], { how: 'sent', part: 'message' }),
    ],
    nodeParty,
    wireParty: (from, to) => wires[`${nodeParty(from)} to ${nodeParty(to)}`],
  };
}

/** Where there are two names for one, the last says which party it is. */
function partiesIn(play: ChainPlay, [first, middle, last]: Cast['hops']): ReadonlyMap<string, Party> {
  const { way, author, recipient, serversOf, resolvers } = play;
  const [authors, recipients] = [serversOf(author.domain), serversOf(recipient.domain)];
  const other = serversOf(play.otherDomain);
  const account = way.by === 'account';
  return new Map<string, Party>([
    [other.gateway, 'other domain'],
    [other.mail, 'other domain'],
    [other.mailboxes, 'other domain'],
    [author.domain, 'author'],
    [author.mailbox, 'author'],
    [authors.gateway, "author's gateway"],
    [authors.mail, "author's mail server"],
    [authors.mailboxes, "author's mailbox host"],
    [recipients.gateway, "recipient's gateway"],
    [recipients.mail, "recipient's mail server"],
    [recipients.mailboxes, "recipient's mailbox host"],
    [resolvers.author, "author's resolver"],
    [resolvers.authorsGateway, account ? 'other domain' : "author's gateway's resolver"],
    [resolvers.recipientsGateway, "recipient's gateway's resolver"],
    [resolvers.mailServers, "mail servers' resolver"],
    [resolvers.mixes, "mixes' resolver"],
    [play.nameServer, 'name server'],
    [play.authority, 'authority'],
    ...first.map((name) => [name, 'first mix'] as const),
    ...middle.map((name) => [name, 'middle mix'] as const),
    ...last.map((name) => [name, 'last mix'] as const),
  ]);
}

/** Where nothing is asked, nothing is logged. */
function askedOn({ mode, by, listed }: Way, resolvers: ResolverNames): string[] {
  const { author, authorsGateway, recipientsGateway, mailServers, mixes } = resolvers;
  const asked = [author, ...(listed ? [] : [mixes]), ...(by === 'account' ? [mailServers] : [])];
  if (mode === 'mix' || by === 'account') return asked;
  return [...asked, recipientsGateway, by === 'smarthost' ? mailServers : authorsGateway];
}

/** Mail servers by which carriages go, or a report. */
function queuesOn({ mode, by, listed, end }: Way, authors: ServerNames, recipients: ServerNames): string[] {
  const bothEnds = mode === 'direct' && (by === 'smarthost' || end === 'reported');
  return [
    ...(by === 'account' || bothEnds ? [authors.mail] : []),
    ...(mode === 'direct' || !listed ? [recipients.mail] : []),
  ];
}

const wires: Readonly<Record<string, Party>> = {
  "author to author's gateway": "wire: author to author's gateway",
  "author's gateway to author's mail server": "wire: author's gateway to mail server",
  "author's gateway to recipient's mail server": "wire: author's gateway to recipient's mail server",
  "author's mail server to recipient's mail server": 'wire: mail server to mail server',
  "recipient's mail server to recipient's gateway": "wire: mail server to recipient's gateway",
  "recipient's gateway to author's mail server": "wire: recipient's gateway to mail server",
  "author's mail server to author's gateway": "wire: mail server to author's gateway",
  "author to author's mail server": "wire: author to author's mail server",
  "author's mail server to first mix": "wire: author's mail server to first mix",
  "author's gateway to first mix": "wire: author's gateway to first mix",
  'first mix to middle mix': 'wire: first to middle mix',
  'middle mix to last mix': 'wire: middle to last mix',
  "last mix to recipient's gateway": 'wire: last mix to gateway',
  "last mix to recipient's mail server": "wire: last mix to recipient's mail server",
  "recipient's gateway to first mix": "wire: recipient's gateway to first mix",
  "last mix to author's gateway": "wire: last mix to author's gateway",
};
