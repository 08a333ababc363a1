import { isDomain } from '../address.ts';
import type { Refused } from '../sender/result.ts';
import type { Mx, Resolution } from './resolver.ts';

export interface HostsFound {
  readonly kind: 'hosts';
  /** In the order in which they are to be tried; at least one. */
  readonly names: readonly string[];
  /** DNSSEC says that they are the domain's. */
  readonly secure: boolean;
}

interface OrderOptions {
  chance(): number;
  readonly ownNames?: readonly string[];
}

/** The hosts of an answer to MX (RFC 5321 section 5.1): the domain itself if there is no such record. */
export function orderHosts(
  domain: string,
  answer: Exclude<Resolution<Mx>, { kind: 'failed' }>,
  { chance, ownNames = [] }: OrderOptions,
): HostsFound | Refused {
  const { secure } = answer;
  if (answer.kind === 'none' || answer.records.length === 0)
    return { kind: 'hosts', names: [domain], secure };
  const hosts = answer.records.map(({ preference, exchange }) => ({
    preference,
    name: exchange.replace(/\.$/, '').toLowerCase(),
    lot: chance(),
  }));
  if (hosts.every(({ name }) => name === '')) return { kind: 'refused', code: 556, enhanced: '5.1.10' };
  const usable = hosts.filter(({ name }) => isDomain(name) && !lastLabelIsNumber.test(name));
  if (usable.length === 0) return { kind: 'refused', code: 550, enhanced: '5.4.4' };
  const own = usable.filter(({ name }) => ownNames.some((ours) => ours.toLowerCase() === name));
  const nearest = Math.min(...own.map(({ preference }) => preference));
  const names = usable
    .filter(({ preference }) => preference < nearest)
    .sort((one, other) => one.preference - other.preference || one.lot - other.lot)
    .map(({ name }) => name);
  if (names.length === 0) return { kind: 'refused', code: 554, enhanced: '5.4.6' };
  return { kind: 'hosts', names: [...new Set(names)].slice(0, maxHosts), secure };
}

/** An address, which no MX record can hold. */
const lastLabelIsNumber = /(?:^|\.)\d+$/;

/** Who lists more is not tried longer. */
const maxHosts = 10;
