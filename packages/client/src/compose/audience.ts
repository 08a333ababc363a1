import { ExitCode } from '@postern/runtime';
import type { PublicKey } from 'openpgp';
import type { Domains } from '../domains/index.ts';
import { flawOf, type Keys } from '../keys/index.ts';
import type { Addressee, Draft, Problem } from '../message.ts';
import { domainOf, gatewayOf } from './gateway.ts';
import type { ModeDeps } from './mode.ts';

export interface AudienceDeps extends ModeDeps {
  readonly keys: Keys;
  readonly domains: Domains;
  readonly now: Date;
  readonly signal?: AbortSignal | undefined;
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
  const addressees: Addressee[] = [];
  for (const mailbox of draft.recipients) {
    const reader = await readerOf(mailbox, deps);
    const domain = domainOf(mailbox);
    const { certificate: gateway, travel } = gateways.get(domain) ?? {};
    if (reader.kind === 'problem') problems.push(reader.problem);
    else if (gateway !== undefined && travel !== undefined)
      addressees.push({ mailbox, domain, certificate: reader.certificate, gateway, travel });
  }
  const mixed = [...gateways.values()].some(({ travel }) => travel?.mode === 'mix');
  return { addressees, mixed, problems, warnings };
}

type FoundReader =
  | { readonly kind: 'reader'; readonly certificate: PublicKey }
  | { readonly kind: 'problem'; readonly problem: Problem };

async function readerOf(mailbox: string, { keys, now }: AudienceDeps): Promise<FoundReader> {
  const about = { mailbox, exitCode: ExitCode.dataError };
  const certificate = await keys.certificate(mailbox);
  if (certificate === undefined) {
    const message = `there is no key of ${mailbox}`;
    const hint = 'Get their certificate, make sure that it is theirs, and: postern keys import FILE';
    return { kind: 'problem', problem: { ...about, code: 'no-recipient-key', message, hint } };
  }
  const flaw = await flawOf(certificate, now);
  if (flaw === undefined) return { kind: 'reader', certificate };
  const message = `the key of ${mailbox} ${flaw}`;
  const hint = 'Get a newer one, make sure that it is theirs, and: postern keys import FILE';
  return { kind: 'problem', problem: { ...about, code: 'unusable-key', message, hint } };
}
