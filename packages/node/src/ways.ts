import type { SmtpPeer } from '@postern/mail';
import type { Destination, Destinations } from './destinations.ts';
import type { NextDomain, Waiting } from './spool.ts';
import type { Topology } from './topology.ts';

/** The gateway's own authors; or anybody else, who has it report or, as a mix, pass something on. */
export type Whose = 'authors' | 'others';

/** By the token of those that have somebody here who is told of them. */
export function whoseOf({ token }: Pick<Waiting, 'token'>): Whose {
  return token === undefined ? 'others' : 'authors';
}

/** Where a relay can be handed over now. */
export type Way =
  | {
      readonly kind: 'way';
      /** The same for ways to the same peers. */
      readonly key: string;
      /** To be tried in this order. */
      readonly peers: readonly SmtpPeer[];
      /** The mail domain whose `secure` mailbox takes it. */
      readonly domain: string;
      /** The peers are such as DNS names: who they are, and how long they take, is the choice of whoever this goes for. */
      readonly byDns?: Whose;
      /** How TLS is to be, by the domain's own record, when a mix found that; the domain does not know the mix. */
      readonly exit?: { readonly tls: 'require' | 'prefer' };
    }
  /** The consensus of this epoch lists the node, and not as a mix: it takes no packets. */
  | { readonly kind: 'no-mix' }
  /** The domain takes no mail (RFC 7505), or no way leads to who takes it: RFC 3463. */
  | { readonly kind: 'no-exchange'; readonly status: string }
  /** Nothing proves who takes the domain's mail, and it may not go without. */
  | { readonly kind: 'unverifiable' }
  /** It is proven that the domain takes no part, or nothing from mixes. */
  | { readonly kind: 'no-part' }
  /** What the domain says is being looked up. */
  | { readonly kind: 'asking' }
  | { readonly kind: 'no-route' }
  /** The consensus does not name the domain's gateway, and this mix asks nobody else. */
  | { readonly kind: 'unlisted' }
  | { readonly kind: 'no-consensus' };

export interface Ways {
  find(relay: Pick<Waiting, 'next' | 'token'>): Promise<Way>;
}

/** Who takes a domain's mail, by the mode of TLS. */
export type Exchangers = Readonly<Record<'require' | 'prefer', Destinations>>;

export interface WaysContext {
  readonly topology: Topology;
  /** The domain's own mail server, which takes what the gateway sends to other domains, by the mode of TLS. */
  readonly smarthost?: { readonly require: SmtpPeer; readonly prefer: SmtpPeer };
  /** What a gateway without a smarthost looks up; a node without it reaches none that the consensus does not name. */
  readonly exchangers?: Readonly<Record<Whose, Exchangers>>;
  /** What a mix looks up for exits; a mix without it knows no domain that the consensus does not name. */
  readonly exits?: Destinations;
}

/**
 * The way to each next hop. A node: by the consensus. What the gateway's own domain answers for: by its smarthost, or by the mail exchangers
 * of the domain that it is for. What a mix passes on: by the consensus if that names the domain's gateway, else by what the domain
 * itself says in DNS. Authors, and whoever builds a packet, choose the domain, so that nothing waits for a look-up, and no look-up for
 * authors for one that others cause; and a mix writes to nobody who takes no part.
 */
export function createWays({ topology, smarthost, exchangers, exits }: WaysContext): Ways {
  return {
    async find({ next, ...rest }) {
      const own = next.kind === 'domain' && next.own === true;
      if (own && smarthost !== undefined) {
        const server = smarthost[modeOf(next)];
        return toDomain(`smarthost ${server.host} ${server.port}`, [server], next);
      }
      // Anybody may have told the directory that they serve a domain; DNS is the domain's own word.
      if (own && exchangers !== undefined) return byExchange(next, whoseOf(rest), exchangers);
      const found = topology.find(next);
      if (found.kind === 'found') {
        const { smtp, tlsPins } = found.entry;
        const key = `${smtp.host} ${smtp.port} ${tlsPins.join(' ')}`;
        const peer: SmtpPeer = { ...smtp, tls: { kind: 'pin', pins: tlsPins } };
        return { kind: 'way', key, peers: [peer], domain: found.domain };
      }
      if (next.kind !== 'domain' || found.kind !== 'no-route') return found;
      if (exits !== undefined) return byRecord(next, exits);
      return own ? found : { kind: 'unlisted' };
    },
  };
}

function modeOf({ tlsOptional = false }: NextDomain): 'require' | 'prefer' {
  return tlsOptional ? 'prefer' : 'require';
}

function byExchange(next: NextDomain, whose: Whose, exchangers: NonNullable<WaysContext['exchangers']>): Way {
  const mode = modeOf(next);
  const found = exchangers[whose][mode].find(next.domain);
  if (found.kind !== 'found') return withoutPeers(found);
  return { ...toDomain(`mail ${mode} ${next.domain}`, found.peers, next), byDns: whose };
}

function byRecord(next: NextDomain, exits: Destinations): Way {
  const found = exits.find(next.domain);
  if (found.kind !== 'found') return withoutPeers(found);
  const { peers, tls } = found;
  return { ...toDomain(`exit ${next.domain}`, peers, next), byDns: 'others', exit: { tls } };
}

function withoutPeers(found: Exclude<Destination, { kind: 'found' }>): Way {
  switch (found.kind) {
    case 'refused':
      return { kind: 'no-exchange', status: found.enhanced };
    case 'failed':
      return { kind: 'no-route' };
    case 'unverifiable':
    case 'no-part':
    case 'asking':
      return found;
  }
}

function toDomain(
  key: string,
  peers: readonly SmtpPeer[],
  { domain }: NextDomain,
): Extract<Way, { kind: 'way' }> {
  return { kind: 'way', key, peers, domain };
}
