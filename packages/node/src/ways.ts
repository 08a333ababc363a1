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
      /** Whether TLS is to be asked for on the rest of the way (RFC 8689). */
      readonly requireTls: boolean;
    }
  /** The consensus of this epoch lists the node, and not as a mix: it takes no packets. */
  | { readonly kind: 'no-mix' }
  /** The domain takes no mail (RFC 7505). */
  | { readonly kind: 'no-exchange' }
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
  /** The domain's own mail server, which takes what the gateway sends to other domains. */
  readonly smarthost?: SmtpPeer;
  /** Looks up who takes a domain's mail; a node without it reaches none that the consensus does not name. */
  readonly findPeers?: Names['findPeers'];
}

/** How long an answer about a domain's exchangers is used again: many relays go to one domain at a time. */
const rememberedMs = 60_000;
const mostRemembered = 1_000;

/**
 * The way to each next hop: a node by the consensus; a domain by its own smarthost if the domain answers for the relay, else by the
 * consensus if that names its gateway, else by its mail exchangers.
 */
export function createWays({ clock, topology, smarthost, findPeers }: WaysContext): Ways {
  const remembered = new Map<string, { readonly way: Way; readonly untilMs: number }>();

  const byExchange = async (next: NextDomain): Promise<Way> => {
    if (findPeers === undefined) return { kind: 'no-route' };
    const { domain, tlsOptional = false } = next;
    const key = `${tlsOptional} ${domain}`;
    const known = remembered.get(key);
    if (known !== undefined && known.untilMs > clock.now()) return known.way;
    const way = wayFrom(await findPeers(domain, tlsOptional ? 'prefer' : 'require'), next);
    if (remembered.size >= mostRemembered) remembered.clear();
    remembered.set(key, { way, untilMs: clock.now() + rememberedMs });
    return way;
  };

  return {
    async find(next) {
      if (next.kind === 'domain' && next.own === true && smarthost !== undefined)
        return toDomain(`smarthost ${smarthost.host} ${smarthost.port}`, [smarthost], next);
      const found = topology.find(next);
      if (found.kind === 'found') {
        const { smtp, tlsPin } = found.entry;
        const key = `${smtp.host} ${smtp.port} ${tlsPin}`;
        return { kind: 'way', key, peers: [{ ...smtp, tlsPin }], domain: found.domain, requireTls: false };
      }
      return next.kind === 'domain' && found.kind === 'no-route' ? byExchange(next) : found;
    },
  };
}

function wayFrom(found: FoundPeers, next: NextDomain): Way {
  switch (found.kind) {
    case 'found':
      return toDomain(`mail ${next.domain}`, found.peers, next);
    case 'refused':
      return { kind: 'no-exchange' };
    case 'unverifiable':
      return { kind: 'unverifiable' };
    case 'failed':
      return { kind: 'no-route' };
  }
}

function toDomain(key: string, peers: readonly SmtpPeer[], { domain, tlsOptional = false }: NextDomain): Way {
  return { kind: 'way', key, peers, domain, requireTls: !tlsOptional };
}
