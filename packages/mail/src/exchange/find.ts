import { isDomain } from '../address.ts';
import { MailError } from '../errors.ts';
import { usableTlsa } from '../sender/dane.ts';
import type { TlsPolicy } from '../sender/policy.ts';
import type { Refused } from '../sender/result.ts';
import { type HostsFound, orderHosts } from './hosts.ts';
import { type PolicyDeps, policyOfDomain } from './policy.ts';
import { matchesMx, type StsPolicy } from './policytext.ts';
import type { ExchangeResolver } from './resolver.ts';

/** A mail server of a domain; as it is it can be sent to. */
export interface Exchange {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsPolicy;
}

export interface ExchangeDeps extends PolicyDeps {
  readonly resolver: ExchangeResolver;
  /** From 0 to below 1: which of equal servers comes first. */
  chance(): number;
  /** Names of this server: it and all behind it are no way on (RFC 5321 section 5.1). */
  readonly ownNames?: readonly string[];
  /** Default 25. */
  readonly port?: number;
}

/**
 * - `found`: at least one, to be tried in this order
 * - `refused`: the domain takes no mail (5.1.10, RFC 7505), or no way leads on (5.4.4, 5.4.6)
 * - `unverifiable`: there are servers, and none that could prove to be the domain's
 * - `failed`: DNS has no answer now
 */
export type Exchanges =
  | { readonly kind: 'found'; readonly exchanges: readonly Exchange[] }
  | Refused
  | { readonly kind: 'unverifiable' }
  | { readonly kind: 'failed' };

/**
 * Finds who takes mail for a domain (RFC 5321 section 5.1), and how each has to prove it.
 *
 * `require`: by DANE where DNSSEC covers MX and TLSA (RFC 7672); else by a certificate for a host that the domain's
 * MTA-STS policy names (RFC 8461), also while that is in testing; else by a certificate for the host, if DNSSEC says
 * that it is the domain's. `prefer` asks for no proof, and so for none of these records: it is what a message with
 * `TLS-Required: No` wants (RFC 8689 section 5).
 *
 * Addresses are looked up when a connection is opened. Throws `bad-domain`.
 */
export async function findExchanges(
  domain: string,
  tls: 'require' | 'prefer',
  deps: ExchangeDeps,
): Promise<Exchanges> {
  if (!isDomain(domain)) throw new MailError('bad-domain', 'not a domain name');
  const name = domain.toLowerCase();
  const answer = await deps.resolver.resolve(name, 'MX');
  if (answer.kind === 'failed') return { kind: 'failed' };
  const hosts = orderHosts(name, answer, deps);
  if (hosts.kind === 'refused') return hosts;
  const { port = 25 } = deps;
  if (tls === 'prefer') {
    const any = { kind: 'opportunistic' } as const;
    return { kind: 'found', exchanges: hosts.names.map((host) => ({ host, port, tls: any })) };
  }
  return verified(name, hosts, port, deps);
}

type Proof = TlsPolicy | 'unverifiable' | 'failed';

async function verified(
  domain: string,
  { names, secure }: HostsFound,
  port: number,
  deps: ExchangeDeps,
): Promise<Exchanges> {
  let sts: Promise<StsPolicy | undefined> | undefined;
  const policy = (): Promise<StsPolicy | undefined> => {
    sts ??= policyOfDomain(domain, deps);
    return sts;
  };
  const proofs = await Promise.all(
    names.map(async (host): Promise<Proof> => {
      const dane = secure ? await daneOf(domain, host, port, deps.resolver) : undefined;
      return dane ?? webOf(host, secure, await policy());
    }),
  );
  const exchanges: Exchange[] = [];
  for (const [at, host] of names.entries()) {
    const proof = proofs[at];
    if (typeof proof === 'object') exchanges.push({ host, port, tls: proof });
  }
  if (exchanges.length > 0) return { kind: 'found', exchanges };
  return { kind: proofs.includes('failed') ? 'failed' : 'unverifiable' };
}

/**
 * Nothing without DNSSEC, or without a record that can be used. A look-up that fails is no reason to do without DANE:
 * who can make it fail would choose so (RFC 7672 section 2.1.2). Unless the host is in a zone that is not signed,
 * where there is no DANE, and name servers that stumble over TLSA are about (section 2.2.2).
 */
async function daneOf(
  domain: string,
  host: string,
  port: number,
  resolver: ExchangeResolver,
): Promise<Proof | undefined> {
  const answer = await resolver.resolve(`_${port}._tcp.${host}`, 'TLSA');
  if (answer.kind === 'failed') return (await isUnsigned(host, resolver)) ? undefined : 'failed';
  if (answer.kind === 'none' || !answer.secure) return undefined;
  const records = usableTlsa(answer.records);
  if (records.length === 0) return undefined;
  return { kind: 'dane', records, names: host === domain ? [host] : [host, domain] };
}

async function isUnsigned(host: string, resolver: ExchangeResolver): Promise<boolean> {
  const addresses = await resolver.resolve(host, 'A');
  return addresses.kind !== 'failed' && !addresses.secure;
}

/** A host that an enforced policy does not name is out, whatever else speaks for it (RFC 8461 section 5). */
function webOf(host: string, secure: boolean, sts: StsPolicy | undefined): Proof {
  const named = sts !== undefined && sts.mode !== 'none' && matchesMx(host, sts);
  if (sts?.mode === 'enforce' && !named) return 'unverifiable';
  return named || secure ? { kind: 'web', names: [host] } : 'unverifiable';
}
