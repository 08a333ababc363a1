import type { SmtpPeer } from '@postern/mail';
import type { Clock } from '@postern/runtime';
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
    }
  /** The consensus of this epoch lists the node, and not as a mix: it takes no packets. */
  | { readonly kind: 'no-mix' }
  /** The domain takes no mail (RFC 7505), or no way leads to who takes it: RFC 3463. */
  | { readonly kind: 'no-exchange'; readonly status: string }
  /** Nothing proves who takes the domain's mail, and it may not go without. */
  | { readonly kind: 'unverifiable' }
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
}

/** How long an answer about a domain's exchangers is used again: many relays go to one domain at a time. */
const rememberedMs = 60_000;
const mostRemembered = 1_000;

/**
 * The way to each next hop. A node: by the consensus. What the gateway's own domain answers for: by its smarthost, or by the mail exchangers
 * of the domain that it is for. What a mix passes on: by the consensus alone. Whoever builds a packet chooses its domain, and must not
 * make a mix ask DNS, or write to anybody who takes no part.
 */
export function createWays({ clock, topology, smarthost, findPeers }: WaysContext): Ways {
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
        const { smtp, tlsPin } = found.entry;
        const key = `${smtp.host} ${smtp.port} ${tlsPin}`;
        return { kind: 'way', key, peers: [{ ...smtp, tlsPin }], domain: found.domain };
      }
      return found;
    },
  };
}

function modeOf({ tlsOptional = false }: NextDomain): 'require' | 'prefer' {
  return tlsOptional ? 'prefer' : 'require';
}

function wayFrom(found: FoundPeers, next: NextDomain): Way {
  switch (found.kind) {
    case 'found':
      return toDomain(`mail ${modeOf(next)} ${next.domain}`, found.peers, next);
    case 'refused':
      return { kind: 'no-exchange', status: found.enhanced };
    case 'unverifiable':
      return { kind: 'unverifiable' };
    case 'failed':
      return { kind: 'no-route' };
  }
}

function toDomain(key: string, peers: readonly SmtpPeer[], { domain }: NextDomain): Way {
  return { kind: 'way', key, peers, domain };
}
