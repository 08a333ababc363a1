import {
  type Exchange,
  type ExchangeResolver,
  type Exchanges,
  findExchanges,
  type LookupTxt,
  type PolicyStore,
  type SmtpPeer,
  verifyDkim,
} from '@postern/mail';
import { certificateOwner, findingOf, textOwner } from '@postern/protocol/dns';
import { uniform } from '@postern/protocol/primitives';
import type { Clock, Random } from '@postern/runtime';
import { DnsError, type Resolver } from '@postern/runtime/dns';
import { createPolicyFetch } from './policy-fetch.ts';
import { isPublicAddress } from './public-address.ts';
import type { Attestation } from './receive/receive.ts';
import type { FoundDomain } from './report/report.ts';

/** What a node asks DNS about domains that are not its own. */
export interface Names {
  /** Texts of a name, each joined; rejects when that cannot be found out now. */
  readonly lookupTxt: LookupTxt;
  /** What an author's domain publishes of itself: only what is proven. */
  readonly findDomain: (domain: string) => Promise<FoundDomain>;
  /** Who takes a domain's mail, by address. */
  readonly findPeers: (domain: string, tls: 'require' | 'prefer') => Promise<FoundPeers>;
}

export type FoundPeers =
  | { readonly kind: 'found'; readonly peers: readonly SmtpPeer[] }
  | Exclude<Exchanges, { kind: 'found' }>;

export interface NamesContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly resolver: Resolver;
  /** The node's own: mail is never handed to itself. */
  readonly ownNames: readonly string[];
  /** MTA-STS policies. */
  readonly policies: PolicyStore;
  /** Whether servers of other domains may be at private and loopback addresses. */
  readonly allowPrivate: boolean;
}

export function createNames(context: NamesContext): Names {
  const { clock, random, ownNames, policies, allowPrivate } = context;
  const resolver = lenient(context.resolver);
  const addressesOf = async (host: string): Promise<string[]> => {
    const found = await lookupAddresses(resolver, host);
    return allowPrivate ? found : found.filter(isPublicAddress);
  };
  const deps = {
    resolver: exchangeResolver(resolver),
    fetch: createPolicyFetch(addressesOf),
    store: policies,
    now: () => clock.now(),
    chance: () => uniform(random),
    ownNames,
  };
  return {
    lookupTxt: (name) => lookupTxt(resolver, name),
    async findDomain(domain) {
      const [text, certificate] = await Promise.all([
        resolver.resolve(textOwner(domain), 'TXT'),
        resolver.resolve(certificateOwner(domain), 'OPENPGPKEY'),
      ]);
      const now = Math.floor(clock.now() / 1_000);
      const finding = findingOf({ domain, text, certificate, unsigned: 'refuse', now });
      if (finding.kind === 'record') return finding;
      return { kind: finding.kind === 'temporary' ? 'temporary' : 'none' };
    },
    async findPeers(domain, tls) {
      const found = await findExchanges(domain, tls, deps);
      if (found.kind !== 'found') return found;
      const peers = await Promise.all(found.exchanges.map((one) => peersOf(one, addressesOf)));
      const all = peers.flat();
      return all.length === 0 ? { kind: 'failed' } : { kind: 'found', peers: all };
    },
  };
}

/** A name that is too long to be one, as those made from a long domain's may be, is a name that nobody has. */
function lenient({ resolve }: Resolver): Resolver {
  return {
    resolve: (name, type, signal) =>
      resolve(name, type, signal).catch((error: unknown) => {
        if (error instanceof DnsError && error.code === 'wrong-name')
          return { kind: 'none', secure: true, ttlSeconds: 3_600 };
        throw error;
      }),
  };
}

/** Which domain signed a carriage (spec submission 5). Nobody has, for a node that asks no DNS. */
export function createAttest(
  names: Names | undefined,
  clock: Clock,
): (message: Uint8Array) => Promise<Attestation> {
  return async (message) => {
    if (names === undefined) return { kind: 'unattested' };
    const now = new Date(clock.now());
    const verified = await verifyDkim(message, { lookupTxt: names.lookupTxt, now });
    return verified.kind === 'unattested' ? { kind: 'unattested' } : verified;
  };
}

/** A mail server at each of its addresses. The same resolver is asked as for its name, which the system's need not be. */
async function peersOf(
  { host, port, tls }: Exchange,
  addressesOf: (host: string) => Promise<string[]>,
): Promise<SmtpPeer[]> {
  const addresses = await addressesOf(host);
  return addresses.map((address) => ({ host: address, port, tls, serverName: host }));
}

async function lookupAddresses(resolver: Resolver, host: string): Promise<string[]> {
  const answers = await Promise.all([resolver.resolve(host, 'A'), resolver.resolve(host, 'AAAA')]);
  const records = answers.flatMap((answer) => (answer.kind === 'found' ? answer.records : []));
  return records.map(({ address }) => address);
}

async function lookupTxt(resolver: Resolver, name: string): Promise<string[]> {
  const answer = await resolver.resolve(name, 'TXT');
  if (answer.kind === 'failed') throw new Error(`no answer: ${answer.reason}`);
  return answer.kind === 'found' ? answer.records.map(({ strings }) => strings.join('')) : [];
}

function exchangeResolver(resolver: Resolver): ExchangeResolver {
  const resolve = async (name: string, type: 'MX' | 'TLSA' | 'TXT' | 'A'): Promise<unknown> => {
    if (type !== 'TXT') return resolver.resolve(name, type);
    const answer = await resolver.resolve(name, 'TXT');
    if (answer.kind !== 'found') return answer;
    return { ...answer, records: answer.records.map(({ strings }) => strings.join('')) };
  };
  return { resolve: resolve as ExchangeResolver['resolve'] };
}
