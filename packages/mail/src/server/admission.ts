import { isIPv4 } from 'node:net';
import type { SmtpLimits } from './limits.ts';

/** A session as `Admission` sees it. */
export interface Guest {
  /** As the socket names it. */
  readonly remoteAddress: string;
  /** A message is on its way or in the receiver's hands: it would be lost, or come twice. */
  readonly busy: boolean;
  /** Ends the session and its connection at once. */
  dismiss(): void;
}

/**
 * Who is let in. A newcomer takes the place of the session that has gone longest without handing over a message: of
 * its own remote network if that has all the places it may have, else of anybody if the server is full. So idle
 * sessions, however many, turn nobody away, and who opens sessions without end dismisses their own. A session counts
 * until its connection is gone, so that one who stays on after QUIT holds a place as well.
 */
export class Admission<G extends Guest> {
  readonly #limits: SmtpLimits;
  /** Those longest without a message first. */
  readonly #all: Set<G> = new Set();
  readonly #byNetwork: Map<string, Set<G>> = new Map();

  constructor(limits: SmtpLimits) {
    this.#limits = limits;
  }

  /** False if all whose place it could take are busy. */
  admit(guest: G): boolean {
    const network = remoteNetwork(guest.remoteAddress);
    const own = this.#byNetwork.get(network);
    if (own !== undefined && own.size >= this.#limits.maxConnectionsPerRemote) {
      if (!this.#dismissFirst(own)) return false;
    }
    if (this.#all.size >= this.#limits.maxConnections && !this.#dismissFirst(this.#all)) return false;
    this.#enter(guest, network);
    return true;
  }

  /** The session has handed over a message: it moves behind all others. */
  handedOver(guest: G): void {
    if (!this.#all.has(guest)) return;
    this.leave(guest);
    this.#enter(guest, remoteNetwork(guest.remoteAddress));
  }

  /** The session is over. Does nothing if it is no longer in. */
  leave(guest: G): void {
    if (!this.#all.delete(guest)) return;
    const network = remoteNetwork(guest.remoteAddress);
    const own = this.#byNetwork.get(network);
    own?.delete(guest);
    if (own?.size === 0) this.#byNetwork.delete(network);
  }

  /** Those who are in. */
  sessions(): G[] {
    return [...this.#all];
  }

  #enter(guest: G, network: string): void {
    this.#all.add(guest);
    const own = this.#byNetwork.get(network);
    if (own === undefined) this.#byNetwork.set(network, new Set([guest]));
    else own.add(guest);
  }

  #dismissFirst(guests: Set<G>): boolean {
    for (const guest of guests) {
      if (guest.busy) continue;
      this.leave(guest);
      guest.dismiss();
      return true;
    }
    return false;
  }
}

/**
 * What counts as one remote: an IPv4 address (mapped into IPv6 as well), or the /64 of an IPv6 address, the least that
 * one customer is given (RFC 6177), within which a host chooses its addresses as it likes.
 */
export function remoteNetwork(address: string): string {
  const plain = address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
  if (isIPv4(plain)) return plain;
  const [front = '', back] = plain
    .replace(/%.*$/, '')
    .replace(/\d+(?:\.\d+){3}$/, '0:0')
    .split('::');
  const groups = front === '' ? [] : front.split(':');
  const last = back === undefined || back === '' ? [] : back.split(':');
  while (groups.length + last.length < 8) groups.push('0');
  const prefix = [...groups, ...last].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16));
  return `${prefix.join(':')}::/64`;
}
