import type { Domains } from '../domains/index.ts';
import type { Addressee, Draft, Problem } from '../message.ts';
import { domainOf, type Gateway, gatewayOf } from './gateway.ts';
import type { ModeDeps } from './mode.ts';
import { type ReaderDeps, readersOf } from './reader.ts';

export interface GatewayDeps extends ModeDeps {
  readonly domains: Domains;
  readonly now: Date;
  readonly signal?: AbortSignal | undefined;
}

/** What takes a draft, at each of its recipients' domains. */
export interface Gateways {
  readonly byDomain: ReadonlyMap<string, Gateway>;
  /** Whether anything goes through mixes, as far as that is known. */
  readonly mixed: boolean;
  readonly problems: readonly Problem[];
  /** In sentences. */
  readonly warnings: readonly string[];
}

export interface Audience {
  readonly addressees: readonly Addressee[];
  readonly problems: readonly Problem[];
  /** In sentences. */
  readonly warnings: readonly string[];
}

/** Which ways lead to a draft's recipients. No recipient is looked up for this. */
export async function gatewaysTo(draft: Draft, deps: GatewayDeps): Promise<Gateways> {
  const names = [...new Set(draft.recipients.map(domainOf))];
  const byDomain = new Map(
    await Promise.all(names.map(async (name) => [name, await gatewayOf(name, draft, deps)] as const)),
  );
  const gateways = [...byDomain.values()];
  return {
    byDomain,
    mixed: gateways.some(({ travel }) => travel?.mode === 'mix'),
    problems: gateways.flatMap((gateway) => gateway.problems),
    warnings: gateways.flatMap((gateway) => gateway.warnings),
  };
}

/** Which of a draft's recipients can be written to, and what keeps the others from it. Looks keys up only if `mayAsk`. */
export async function audience(
  draft: Draft,
  { byDomain }: Gateways,
  deps: ReaderDeps,
  mayAsk: boolean,
): Promise<Audience> {
  const readers = await readersOf(draft.recipients, deps, mayAsk);
  const addressees: Addressee[] = [];
  const problems: Problem[] = [];
  const warnings: string[] = [];
  for (const mailbox of draft.recipients) {
    const reader = readers.get(mailbox);
    const domain = domainOf(mailbox);
    const { certificate: gateway, travel, record } = byDomain.get(domain) ?? {};
    if (reader?.kind === 'problem') problems.push(reader.problem);
    if (reader?.kind !== 'reader') continue;
    if (reader.warning !== undefined) warnings.push(reader.warning);
    const { certificate, key } = reader;
    if (gateway !== undefined && travel !== undefined && record !== undefined)
      addressees.push({ mailbox, domain, certificate, key, gateway, travel, record });
  }
  return { addressees, problems, warnings };
}
