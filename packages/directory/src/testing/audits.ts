import { type AuthorityKey, parseAuthorityKey } from '@postern/protocol/consensus';
import { type TestAuthority, testAuthority } from '@postern/protocol/testing';
import { type AuditOptions, audit } from '../audit/audit.ts';
import type { Report } from '../audit/findings.ts';
import { type Chain, createChain } from './chain.ts';
import { start } from './clock.ts';
import { others, ours } from './readers.ts';

const seconds = Math.floor(start / 1_000);
export const third: TestAuthority = testAuthority('authority3.test', { now: seconds });

/** Three authorities, of whom two have to sign. */
export const trust: { readonly authorities: readonly AuthorityKey[]; readonly threshold: number } = {
  authorities: [ours, others, third].map(({ vkey }) => parseAuthorityKey(vkey)),
  threshold: 2,
};

const chains = new Map<number, Chain>();

/** A history in which two of three authorities have signed each consensus; some epochs have none. */
export function chainOf(count: number): Chain {
  const chain = chains.get(count) ?? createChain([ours, others]);
  for (let at = chain.leaves.length; at < count; at++) chain.issue(900 + at + (at > 4 ? 10 : 0));
  chains.set(count, chain);
  return chain.branch();
}

/** Audits what some URLs serve, for somebody who knows the three. */
export function auditing(urls: readonly string[], change: Partial<AuditOptions> = {}): Promise<Report> {
  return audit({ ...trust, urls, now: seconds, timeoutMs: 5_000, signal: undefined, ...change });
}
