import type { SmtpPeer } from '@postern/mail';
import type { Clock } from '@postern/runtime';
import type { Exit, Exits } from './exits.ts';
import type { FoundPeers, Names } from './names.ts';
import type { Next, NextDomain } from './spool.ts';
import type { Topology } from './topology.ts';

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
  | { readonly kind: 'no-consensus' };

export interface Ways {
  find(next: Next): Promise<Way>;
}

export interface WaysContext {
  readonly clock: Clock;
  readonly topology: Topology;
  /** The domain's own mail server, which takes what the gateway sends to other domains, by the mode of TLS. */
  readonly smarthost?: { readonly require: SmtpPeer; readonly prefer: SmtpPeer };
  /** Looks up who takes a domain's mail; a node without it reaches none that the consensus does not name. */
  readonly findPeers?: Names['findPeers'];
  /** What a mix looks up for exits; a mix without it knows no domain that the consensus does not name. */
  readonly exits?: Exits;
}

/** How long an answer about a domain's exchangers is used again: many relays go to one domain at a time. */
const rememberedMs = 60_000;
const mostRemembered = 1_000;

/**
 * The way to each next hop. A node: by the consensus. What the gateway's own domain answers for: by its smarthost, or by the mail exchangers
 * of the domain that it is for. What a mix passes on: by the consensus if that names the domain's gateway, else by what the domain
 * itself says in DNS. Whoever builds a packet chooses its domain, so that nothing waits for such a look-up, and nobody who takes no
 * part is written to.
 */
export function createWays({ clock, topology, smarthost, findPeers, exits }: WaysContext): Ways {
  const remembered = new Map<string, { readonly way: Way; readonly untilMs: number }>();

  const byExchange = async (next: NextDomain): Promise<Way> => {
    if (findPeers === undefined) return { kind: 'no-route' };
    const { domain } = next;
    const tls = modeOf(next);
    const key = `${tls} ${domain}`;
    const known = remembered.get(key);
    if (known !== undefined && known.untilMs > clock.now()) return known.way;
    const way = wayFrom(await findPeers(domain, tls), next);
    if (remembered.size >= mostRemembered) remembered.clear();
    remembered.set(key, { way, untilMs: clock.now() + rememberedMs });
    return way;
  };

  return {
    async find(next) {
      const own = next.kind === 'domain' && next.own === true;
      if (own && smarthost !== undefined) {
        const server = smarthost[modeOf(next)];
        return toDomain(`smarthost ${server.host} ${server.port}`, [server], next);
      }
      // Anybody may have told the directory that they serve a domain; DNS is the domain's own word.
      if (own && findPeers !== undefined) return byExchange(next);
      const found = topology.find(next);
      if (found.kind === 'found') {
        const { smtp, tlsPins } = found.entry;
        const key = `${smtp.host} ${smtp.port} ${tlsPins.join(' ')}`;
        const peer: SmtpPeer = { ...smtp, tls: { kind: 'pin', pins: tlsPins } };
        return { kind: 'way', key, peers: [peer], domain: found.domain };
      }
      if (next.kind === 'domain' && found.kind === 'no-route' && exits !== undefined)
        return byRecord(next, exits);
      return found;
    },
  };
}

function modeOf({ tlsOptional = false }: NextDomain): 'require' | 'prefer' {
  return tlsOptional ? 'prefer' : 'require';
}

function byRecord(next: NextDomain, exits: Exits): Way {
  const exit = exits.find(next.domain);
  switch (exit.kind) {
    case 'found':
      return { ...toDomain(`exit ${next.domain}`, exit.peers, next), exit: { tls: exit.tls } };
    case 'no-part':
    case 'asking':
      return exit;
    case 'refused':
    case 'unverifiable':
    case 'failed':
      return withoutPeers(exit);
  }
}

function wayFrom(found: FoundPeers, next: NextDomain): Way {
  if (found.kind === 'found') return toDomain(`mail ${modeOf(next)} ${next.domain}`, found.peers, next);
  return withoutPeers(found);
}

function withoutPeers(found: Exclude<FoundPeers | Exit, { kind: 'found' | 'no-part' | 'asking' }>): Way {
  switch (found.kind) {
    case 'refused':
      return { kind: 'no-exchange', status: found.enhanced };
    case 'unverifiable':
      return { kind: 'unverifiable' };
    case 'failed':
      return { kind: 'no-route' };
  }
}

function toDomain(
  key: string,
  peers: readonly SmtpPeer[],
  { domain }: NextDomain,
): Extract<Way, { kind: 'way' }> {
  return { kind: 'way', key, peers, domain };
}
