import { type Fact, textFact } from '../adversary/facts.ts';
import type { Person } from '../people/person.ts';
import { type Cast, castOf } from './cast.ts';
import { chainCast } from './chain-cast.ts';
import type { Way } from './chain-table.ts';
import type { Piece } from './evidence.ts';
import { kinds, type Party } from './table.ts';

/** A message's way through a network that never ran, for tests of the judge. */
export const cast: Cast = castOf({
  author: someone('alice', 'a.test'),
  recipient: someone('bob', 'b.test'),
  paths: [
    { hops: ['mix1.test', 'mix3.test', 'mix5.test'], delaysMs: [1, 2, 3] },
    { hops: ['mix2.test', 'mix3.test', 'mix5.test'], delaysMs: [4, 5, 6] },
  ],
  gatewayOf: (domain) => `gate.${domain}`,
  nodes: [1, 2, 3, 4, 5].map((number) => `mix${number}.test`).concat('gate.a.test', 'gate.b.test'),
  authorities: ['authority.test'],
});

export const facts: readonly Fact[] = kinds.map((kind) => textFact(kind, kind, telltale(kind)));

/** A word that gives away one kind of fact, and no other. */
export function telltale(kind: (typeof kinds)[number]): string {
  return `telltale-${kind.replaceAll(' ', '-')}`;
}

/** The least that has to be gathered and found. */
export function leastPieces(of: Cast = cast): Piece[] {
  const piece = (
    party: Party,
    owner: string,
    rest: Omit<Piece, 'party' | 'owner' | 'where' | 'bytes'>,
    text: string,
  ) =>
    ({
      party,
      owner,
      where: 'somewhere',
      bytes: Buffer.from(`before ${text} behind`),
      ...rest,
    }) satisfies Piece;
  return [
    ...of.sources.map(({ owner, ...place }) => piece(of.nodeParty(owner), owner, place, 'nothing')),
    ...of.table.parties
      .filter((party) => party !== 'other mixes')
      .map((party) => piece(party, party, { how: 'wire' }, 'nothing')),
    ...of.table.surelyFound.flatMap(({ party, kind, ...place }) =>
      ownersOf(of, party).map((owner) => piece(party, owner, place, telltale(kind))),
    ),
  ];
}

function ownersOf({ processes, nodeParty }: Cast, party: Party): string[] {
  const owners = processes.filter((name) => nodeParty(name) === party);
  return owners.length > 0 ? owners : [party];
}

/** The same between two domains with mail servers. */
export function chainOf(way: Way): Cast {
  return chainCast({
    way,
    author: way.by === 'account' ? someone('adelaide', 'p.test') : someone('alice', 'a.test'),
    recipient: someone('bob', 'b.test'),
    otherDomain: 'a.test',
    serversOf: (domain) => ({ gateway: `gate.${domain}`, mail: `mx.${domain}`, mailboxes: `imap.${domain}` }),
    resolvers: {
      author: 'resolver of alice',
      authorsGateway: 'resolver of gate.a.test',
      recipientsGateway: 'resolver of gate.b.test',
      mailServers: 'resolver of mail servers',
      mixes: 'resolver of mixes',
    },
    nameServer: 'ns.test',
    authority: 'authority.test',
    mixes: ['mix1.test', 'mix2.test', 'mix3.test'],
    paths: [{ hops: ['mix1.test', 'mix2.test', 'mix3.test'], delaysMs: [1, 2, 3] }],
  });
}

function someone(local: string, domain: string): Person {
  const mailbox = `${local}@${domain}`;
  return {
    mailbox,
    local,
    domain,
    password: '',
    passphraseFile: '',
    home: '',
    paths: {} as Person['paths'],
    maildir: '',
  };
}
