import { isIPv4, isIPv6 } from 'node:net';
import {
  type Exchange,
  type ExchangeResolver,
  type Exchanges,
  findExchanges,
  type PolicyFetch,
  type PolicyStore,
  type SmtpPeer,
  type TlsPolicy,
  verifyDkim,
} from '@postern/mail';
import {
  certificateOwner,
  type Finding,
  findingOf,
  textOwner,
  type UnsignedPolicy,
} from '@postern/protocol/dns';
import { shuffled, uniform } from '@postern/protocol/primitives';
import { type Clock, isPublicAddress, type Random } from '@postern/runtime';
import { DnsError, type Resolver } from '@postern/runtime/dns';
import { createPolicyFetch } from './policy-fetch.ts';
import type { Attestation } from './receive/receive.ts';
import type { FoundDomain } from './report/report.ts';

/** What a node asks DNS about domains that are not its own. */
export interface Names {
  /** Texts of a name, each joined; rejects when that cannot be found out now. */
  readonly lookupTxt: (name: string, signal?: AbortSignal) => Promise<string[]>;
  /** What an author's domain publishes of itself: only what is proven. Throws the signal's reason. */
  readonly findDomain: (domain: string, signal: AbortSignal) => Promise<FoundDomain>;
  /**
   * Fingerprint of the key that a domain's records name, proven or not, as authors' programs may take either; rejects when that cannot
   * be found out now.
   */
  readonly findFingerprint: (domain: string, signal: AbortSignal) => Promise<string | undefined>;
  /** Who takes a domain's mail, by address. Throws the signal's reason. */
  readonly findPeers: (domain: string, tls: 'require' | 'prefer', signal: AbortSignal) => Promise<FoundPeers>;
  /** Who takes what a mix has for a domain: only what the domain itself says, and DNSSEC proves. Throws the signal's reason. */
  readonly findExit: (domain: string, signal: AbortSignal) => Promise<FoundDestination>;
}

/** Of a domain that is not asked whether it takes part. */
export type FoundPeers = Exclude<FoundDestination, { kind: 'no-part' }>;

export type FoundDestination =
  | {
      readonly kind: 'found';
      readonly peers: readonly SmtpPeer[];
      readonly tls: 'require' | 'prefer';
      /** The shortest of all answers that led there. */
      readonly ttlSeconds: number;
    }
  /** It is proven that the domain takes no part, or nothing from mixes. */
  | { readonly kind: 'no-part'; readonly ttlSeconds: number }
  /** The domain takes no mail (RFC 7505), or no way leads to who takes it. */
  | (Extract<Exchanges, { kind: 'refused' }> & { readonly ttlSeconds: number })
  | Extract<Exchanges, { kind: 'unverifiable' | 'failed' }>;

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
  const findRecord = (domain: string, by: Resolver, unsigned?: UnsignedPolicy): Promise<Finding> =>
    askRecord(domain, by, Math.floor(clock.now() / 1_000), unsigned);
  const findPeers = async (
    domain: string,
    tls: 'require' | 'prefer',
    by: Resolver,
    signal: AbortSignal,
  ): Promise<FoundPeers> => {
    const life = { seconds: Number.POSITIVE_INFINITY };
    const timed = timing(by, life);
    const addressesOf = addressesBy(timed);
    const fetch = endingWith(signal, createPolicyFetch(addressesOf));
    const found = await findExchanges(domain, tls, { ...deps, resolver: exchangeResolver(timed), fetch });
    if (found.kind === 'refused') return { ...found, ttlSeconds: life.seconds };
    if (found.kind !== 'found') return found;
    const exchanges = found.exchanges.filter(({ tls }) => tlsaOctets(tls) <= mostTlsaOctets);
    if (exchanges.length === 0) return { kind: 'unverifiable' };
    const each = Math.max(1, Math.min(mostAddresses, Math.floor(mostPeers / exchanges.length)));
    const peers = await Promise.all(
      exchanges.slice(0, mostPeers).map(async (one): Promise<SmtpPeer[]> => {
        const drawn = draw(await addressesOf(one.host), each, random);
        return drawn.map((address) => peerAt(one, address));
      }),
    );
    const all = peers.flat();
    return all.length === 0
      ? { kind: 'failed' }
      : { kind: 'found', peers: all, tls, ttlSeconds: life.seconds };
  };
  return {
    lookupTxt: (name, signal) => lookupTxt(signal === undefined ? resolver : bounded(resolver, signal), name),
    async findDomain(domain, signal) {
      const finding = await findRecord(domain, bounded(resolver, signal));
      if (finding.kind === 'record') return finding;
      return { kind: finding.kind === 'temporary' ? 'temporary' : 'none' };
    },
    async findFingerprint(domain, signal) {
      const finding = await findRecord(domain, bounded(resolver, signal), 'trust-on-first-use');
      if (finding.kind === 'temporary') throw new Error(`no answer: ${finding.reason}`);
      return finding.kind === 'record' ? finding.record.fingerprint : undefined;
    },
    findPeers: (domain, tls, signal) => findPeers(domain, tls, bounded(resolver, signal), signal),
    // spec dns 6.3
    async findExit(domain, signal) {
      const by = bounded(resolver, signal);
      const finding = await findRecord(domain, by);
      if (finding.kind === 'does-not-take-part' && finding.secure)
        return { kind: 'no-part', ttlSeconds: finding.ttlSeconds };
      if (finding.kind !== 'record') return { kind: 'failed' };
      const { record, ttlSeconds } = finding;
      if (!record.mix) return { kind: 'no-part', ttlSeconds };
      const found = await findPeers(domain, record.tls, by, signal);
      if (!('ttlSeconds' in found)) return found;
      return { ...found, ttlSeconds: Math.min(ttlSeconds, found.ttlSeconds) };
    },
  };
}

/** What a domain publishes of itself. `now`: Unix seconds. */
export async function askRecord(
  domain: string,
  resolver: Resolver,
  now: number,
  unsigned: UnsignedPolicy = 'refuse',
): Promise<Finding> {
  const [text, certificate] = await Promise.all([
    resolver.resolve(textOwner(domain), 'TXT'),
    resolver.resolve(certificateOwner(domain), 'OPENPGPKEY'),
  ]);
  return findingOf({ domain, text, certificate, unsigned, now });
}

/** Of a domain, whatever number its servers have: whoever answers for them chooses that. */
const mostPeers = 10;
const mostAddresses = 4;
/** Of one server: what is found is remembered, and a record may be as long as an answer. */
const mostTlsaOctets = 4_096;

function tlsaOctets(tls: TlsPolicy): number {
  return tls.kind === 'dane' ? tls.records.reduce((sum, { data }) => sum + data.length, 0) : 0;
}

/** Every question ends with the signal. */
function bounded({ resolve }: Resolver, signal: AbortSignal): Resolver {
  return { resolve: (name, type) => resolve(name, type, signal) };
}

/** Notes how long the answers hold that were used, seconds: the shortest time. */
function timing({ resolve }: Resolver, life: { seconds: number }): Resolver {
  return {
    async resolve(name, type, signal) {
      const answer = await resolve(name, type, signal);
      if (answer.kind !== 'failed') life.seconds = Math.min(life.seconds, answer.ttlSeconds);
      return answer;
    },
  };
}

function endingWith(signal: AbortSignal, fetch: PolicyFetch): PolicyFetch {
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
  names: Pick<Names, 'lookupTxt'> | undefined,
  clock: Pick<Clock, 'now'>,
): (message: Uint8Array) => Promise<Attestation> {
  return async (message) => {
    if (names === undefined) return { kind: 'unattested' };
    const now = new Date(clock.now());
    const verified = await verifyDkim(message, { lookupTxt: names.lookupTxt, now });
    return verified.kind === 'unattested' ? { kind: 'unattested' } : verified;
  };
}

/** A mail server at one of its addresses. The same resolver is asked as for its name, which the system's need not be. */
function peerAt({ host, port, tls }: Exchange, address: string): SmtpPeer {
  return { host: address, port, tls, serverName: host };
}

/** So many of a server's addresses, by chance, of both kinds if there are, one of IPv4 first. */
function draw(addresses: readonly string[], count: number, random: Random): string[] {
  const [four, six] = [isIPv4, isIPv6].map((isKind) => shuffled(addresses.filter(isKind), random));
  const turns = Array.from({ length: count }, (_, at) => [four?.[at], six?.[at]]);
  return turns
    .flat()
    .filter((address) => address !== undefined)
    .slice(0, count);
}

export async function lookupAddresses(resolver: Resolver, host: string): Promise<string[]> {
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
