import type { Domains } from '../domains/index.ts';
import type { Addressee, Draft, Problem } from '../message.ts';
import { domainOf, gatewayOf } from './gateway.ts';
import type { ModeDeps } from './mode.ts';
import { type ReaderDeps, readersOf } from './reader.ts';

export interface AudienceDeps extends ModeDeps, ReaderDeps {
  readonly domains: Domains;
  /** Something stands against the message already. */
  readonly refused: boolean;
}

export interface Audience {
  readonly addressees: readonly Addressee[];
  /** Whether anything goes through mixes, as far as that is known. */
  readonly mixed: boolean;
  readonly problems: readonly Problem[];
  /** In sentences. */
  readonly warnings: readonly string[];
}

/** Which of a draft's recipients can be written to, and everything that keeps the others from it. */
export async function audience(draft: Draft, deps: AudienceDeps): Promise<Audience> {
  const names = [...new Set(draft.recipients.map(domainOf))];
  const gateways = new Map(
    await Promise.all(names.map(async (name) => [name, await gatewayOf(name, draft, deps)] as const)),
  );
  const problems = [...gateways.values()].flatMap((gateway) => gateway.problems);
  const warnings = [...gateways.values()].flatMap((gateway) => gateway.warnings);
  const readers = await readersOf(draft.recipients, deps, !deps.refused && problems.length === 0);
  const addressees: Addressee[] = [];
  for (const mailbox of draft.recipients) {
    const reader = readers.get(mailbox);
    const domain = domainOf(mailbox);
    const { certificate: gateway, travel, record } = gateways.get(domain) ?? {};
    if (reader?.kind === 'problem') problems.push(reader.problem);
    else if (reader !== undefined && gateway !== undefined && travel !== undefined && record !== undefined)
      addressees.push({
        mailbox,
        domain,
        certificate: reader.certificate,
        key: reader.key,
        gateway,
        travel,
        record,
      });
  }
  const mixed = [...gateways.values()].some(({ travel }) => travel?.mode === 'mix');
  return { addressees, mixed, problems, warnings };
}
