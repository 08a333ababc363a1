import { isIPv4 } from 'node:net';
import type { SmtpLimits } from './limits.ts';

/** A session as `Admission` sees it. */
export interface Guest {
  /** As the socket names it. */
  readonly remoteAddress: string;
  /**
   * - `receiving`: a message is on its way, and has to be sent again if the session ends
   * - `deciding`: a whole message is in the receiver's hands, and might come twice if the session ended
   */
  readonly phase: 'idle' | 'receiving' | 'deciding';
  /** Ends the session and its connection at once. */
  dismiss(): void;
}

/**
 * Who is let in. Where there is no place left, in the newcomer's own remote network or in the server, the newcomer takes
 * that of the session that has gone longest without handing over a message. A message under way is cut off only if there
 * is nobody idle, and then one of the network with the most sessions; a message in the receiver's hands never is. Nobody
 * makes place for a network that has more sessions than its own. So neither idle sessions nor messages without end,
 * however many, turn anybody away, and who opens sessions without end dismisses its own. A session counts until its
 * connection is gone, so that one who stays on after QUIT holds a place as well.
 */
export class Admission<G extends Guest> {
  readonly #limits: SmtpLimits;
  /** Those longest without a message first. */
  readonly #all: Map<G, RemoteNetworks> = new Map();
  /** How many sessions there are of each network, wide and narrow. */
  readonly #counts: Map<string, number> = new Map();

  constructor(limits: SmtpLimits) {
    this.#limits = limits;
  }

  /** False if all whose place it could take have a message in the receiver's hands. */
  admit(guest: G): boolean {
    const { maxConnections, maxConnectionsPerRemote } = this.#limits;
    const networks = remoteNetworks(guest.remoteAddress);
    const { narrow, wide } = networks;
    if (this.#count(wide) >= maxConnectionsPerRemote) {
      const own = [...this.#all].filter(([, of]) => of.wide === wide);
      if (!this.#makePlace(own, 'narrow', this.#count(narrow))) return false;
    }
    if (this.#all.size >= maxConnections && !this.#makePlace([...this.#all], 'wide', this.#count(wide)))
      return false;
    this.#enter(guest, networks);
    return true;
  }

  /** The session has handed over a message: it moves behind all others. */
  handedOver(guest: G): void {
    const networks = this.#all.get(guest);
    if (networks === undefined) return;
    this.leave(guest);
    this.#enter(guest, networks);
  }

  /** The session is over. Does nothing if it is no longer in. */
  leave(guest: G): void {
    const networks = this.#all.get(guest);
    if (networks === undefined) return;
    this.#all.delete(guest);
    this.#add(networks, -1);
  }

  /** Those who are in. */
  sessions(): G[] {
    return [...this.#all.keys()];
  }

  #enter(guest: G, networks: RemoteNetworks): void {
    this.#all.set(guest, networks);
    this.#add(networks, 1);
  }

  #add({ narrow, wide }: RemoteNetworks, change: 1 | -1): void {
    for (const network of new Set([narrow, wide])) {
      const count = this.#count(network) + change;
      if (count === 0) this.#counts.delete(network);
      else this.#counts.set(network, count);
    }
  }

  #count(network: string): number {
    return this.#counts.get(network) ?? 0;
  }

  /** Dismisses one of `guests` whose network, of this width, has `least` sessions or more. */
  #makePlace(
    guests: readonly (readonly [G, RemoteNetworks])[],
    width: keyof RemoteNetworks,
    least: number,
  ): boolean {
    let leaving: G | undefined;
    let most = 0;
    for (const [guest, networks] of guests) {
      const count = this.#count(networks[width]);
      if (guest.phase === 'deciding' || count < least) continue;
      if (guest.phase === 'receiving' && count <= most) continue;
      leaving = guest;
      most = count;
      if (guest.phase === 'idle') break;
    }
    if (leaving === undefined) return false;
    this.leave(leaving);
    leaving.dismiss();
    return true;
  }
}

/** What counts as one remote. */
interface RemoteNetworks {
  readonly narrow: string;
  readonly wide: string;
}

/**
 * Both are an IPv4 address (mapped into IPv6 as well). Of an IPv6 address they are the /64, the least that one customer
 * is given and within which a host chooses its addresses as it likes, and the /48, the most that one site is given
 * (RFC 6177): its /64s share what one remote may have, and are told apart only among themselves.
 */
export function remoteNetworks(address: string): RemoteNetworks {
  const plain = address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  if (isIPv4(plain)) return { narrow: plain, wide: plain };
  const [front = '', back] = plain
    .replace(/%.*$/, '')
    .replace(/\d+(?:\.\d+){3}$/, '0:0')
    .split('::');
  const groups = front === '' ? [] : front.split(':');
  const last = back === undefined || back === '' ? [] : back.split(':');
  while (groups.length + last.length < 8) groups.push('0');
  const all = [...groups, ...last].map((group) => Number.parseInt(group, 16).toString(16));
  return { narrow: `${all.slice(0, 4).join(':')}::/64`, wide: `${all.slice(0, 3).join(':')}::/48` };
}
