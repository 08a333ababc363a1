import {
  type Exchange,
  type ExchangeResolver,
  type Exchanges,
  findExchanges,
  type LookupTxt,
  type PolicyFetch,
  type PolicyStore,
  type SmtpPeer,
  verifyDkim,
} from '@postern/mail';
import { certificateOwner, type Finding, findingOf, textOwner } from '@postern/protocol/dns';
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
  /** Who takes what a mix has for a domain: only what the domain itself says, and DNSSEC proves. Throws the signal's reason. */
  readonly findExit: (domain: string, signal: AbortSignal) => Promise<FoundExit>;
}

export type FoundPeers =
  | { readonly kind: 'found'; readonly peers: readonly SmtpPeer[] }
  | Exclude<Exchanges, { kind: 'found' }>;

export type FoundExit =
  | {
      readonly kind: 'found';
      readonly peers: readonly SmtpPeer[];
      readonly tls: 'require' | 'prefer';
      readonly ttlSeconds: number;
    }
  /** It is proven that the domain takes no part, or nothing from mixes. */
  | { readonly kind: 'no-part'; readonly ttlSeconds: number }
  | Exclude<FoundPeers, { kind: 'found' }>;

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
  const addressesBy =
    (by: Resolver) =>
    async (host: string): Promise<string[]> => {
      const found = await lookupAddresses(by, host);
      return allowPrivate ? found : found.filter(isPublicAddress);
    };
  const deps = {
    store: policies,
    now: () => clock.now(),
    chance: () => uniform(random),
    ownNames,
  };
  const findRecord = async (domain: string, by: Resolver): Promise<Finding> => {
    const [text, certificate] = await Promise.all([
      by.resolve(textOwner(domain), 'TXT'),
      by.resolve(certificateOwner(domain), 'OPENPGPKEY'),
    ]);
    const now = Math.floor(clock.now() / 1_000);
    return findingOf({ domain, text, certificate, unsigned: 'refuse', now });
  };
  const findPeers = async (
    domain: string,
    tls: 'require' | 'prefer',
    by: Resolver,
    signal?: AbortSignal,
  ): Promise<FoundPeers> => {
    const addressesOf = addressesBy(by);
    const fetch = endingWith(signal, createPolicyFetch(addressesOf));
    const found = await findExchanges(domain, tls, { ...deps, resolver: exchangeResolver(by), fetch });
    if (found.kind !== 'found') return found;
    const peers = await Promise.all(found.exchanges.map((one) => peersOf(one, addressesOf)));
    const all = peers.flat();
    return all.length === 0 ? { kind: 'failed' } : { kind: 'found', peers: all };
  };
  return {
    lookupTxt: (name) => lookupTxt(resolver, name),
    async findDomain(domain) {
      const finding = await findRecord(domain, resolver);
      if (finding.kind === 'record') return finding;
      return { kind: finding.kind === 'temporary' ? 'temporary' : 'none' };
    },
    findPeers: (domain, tls) => findPeers(domain, tls, resolver),
    // spec dns 6.3
    async findExit(domain, signal) {
      const by = bounded(resolver, signal);
      const finding = await findRecord(domain, by);
      if (finding.kind === 'does-not-take-part' && finding.secure)
        return { kind: 'no-part', ttlSeconds: finding.ttlSeconds };
      if (finding.kind !== 'record') return { kind: 'failed' };
      const { record, ttlSeconds } = finding;
      if (!record.mix) return { kind: 'no-part', ttlSeconds };
      const { tls } = record;
      const found = await findPeers(domain, tls, by, signal);
      return found.kind === 'found' ? { ...found, tls, ttlSeconds } : found;
    },
  };
}

/** Every question ends with the signal. */
function bounded({ resolve }: Resolver, signal: AbortSignal): Resolver {
  return { resolve: (name, type) => resolve(name, type, signal) };
}

function endingWith(signal: AbortSignal | undefined, fetch: PolicyFetch): PolicyFetch {
  if (signal === undefined) return fetch;
  return (url, init) => fetch(url, { ...init, signal: AbortSignal.any([signal, init.signal]) });
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
