import { policyId, readPolicy, type StsPolicy } from './policytext.ts';
import type { ExchangeResolver } from './resolver.ts';

/** What is known of the MTA-STS policy of a domain. */
export interface PolicyEntry {
  /** The last that was fetched, under the id that its record had, at a time in ms. */
  readonly policy?: StsPolicy & { readonly id: string; readonly fetched: number };
  /** An id whose policy could not be fetched, at a time in ms. */
  readonly failed?: { readonly id: string; readonly at: number };
}

/** Keeps entries: a policy protects from the second message on, so they are better kept longer than a process lives. */
export interface PolicyStore {
  get(domain: string): Promise<PolicyEntry | undefined>;
  set(domain: string, entry: PolicyEntry): Promise<void>;
}

/** The part of `fetch` that is used. It must demand a certificate for the host name that everybody trusts. */
export type PolicyFetch = (
  url: string,
  init: { readonly redirect: 'error'; readonly signal: AbortSignal },
) => Promise<Pick<Response, 'status' | 'headers' | 'body'>>;

export interface PolicyDeps {
  readonly resolver: ExchangeResolver;
  readonly fetch: PolicyFetch;
  readonly store: PolicyStore;
  /** In ms since 1970. */
  now(): number;
  /** Longest time for fetching a policy, in ms. Default a minute (RFC 8461 section 3.3). */
  readonly fetchMs?: number;
}

/**
 * The MTA-STS policy that holds for a domain (RFC 8461 section 3).
 *
 * One that was fetched holds until its `max_age` is over, whatever has become of the record or the file in the
 * meantime: a policy could else be taken back by who can make them disappear. It is fetched anew when the record has
 * another id, and after a day, so that it does not run out while somebody stands in the way of a new one.
 */
export async function policyOfDomain(domain: string, deps: PolicyDeps): Promise<StsPolicy | undefined> {
  const { resolver, store } = deps;
  const [entry, records] = await Promise.all([
    store.get(domain),
    resolver.resolve(`_mta-sts.${domain}`, 'TXT'),
  ]);
  const kept = valid(entry?.policy, deps.now());
  const id = records.kind === 'found' ? policyId(records.records) : undefined;
  if (id === undefined || !isDue(id, kept, entry, deps.now())) return kept;
  const text = await fetchText(domain, deps);
  const policy = text === undefined ? undefined : readPolicy(text);
  if (policy === undefined) {
    await store.set(domain, { ...entry, failed: { id, at: deps.now() } });
    return kept;
  }
  await store.set(domain, { policy: { ...policy, id, fetched: deps.now() } });
  return policy;
}

function valid(policy: PolicyEntry['policy'], now: number): PolicyEntry['policy'] {
  return policy !== undefined && now < policy.fetched + policy.maxAge * 1000 ? policy : undefined;
}

function isDue(
  id: string,
  kept: PolicyEntry['policy'],
  entry: PolicyEntry | undefined,
  now: number,
): boolean {
  const failed = entry?.failed;
  if (failed?.id === id && now < failed.at + restMs) return false;
  return kept?.id !== id || now >= kept.fetched + refreshMs;
}

/** Nothing for any failure: they all mean the same (RFC 8461 section 3.3). No redirect is followed. */
async function fetchText(
  domain: string,
  { fetch, fetchMs = 60_000 }: PolicyDeps,
): Promise<string | undefined> {
  try {
    const signal = AbortSignal.timeout(fetchMs);
    const url = `https://mta-sts.${domain}/.well-known/mta-sts.txt`;
    const { status, headers, body } = await fetch(url, { redirect: 'error', signal });
    const type = headers.get('content-type') ?? '';
    if (status === 200 && body !== null && /^text\/plain[ \t]*(?:;|$)/i.test(type)) return await read(body);
    await body?.cancel();
    return undefined;
  } catch {
    return undefined;
  }
}

async function read(body: ReadableStream<Uint8Array>): Promise<string | undefined> {
  const chunks: Uint8Array[] = [];
  let octets = 0;
  for await (const chunk of body) {
    octets += chunk.length;
    if (octets > maxOctets) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** How long a policy that cannot be had is not asked for again (RFC 8461 section 3.3). */
const restMs = 300_000;
const refreshMs = 86_400_000;
/** Longest policy, in octets (RFC 8461 section 3.3 suggests this much). */
const maxOctets = 65_536;
