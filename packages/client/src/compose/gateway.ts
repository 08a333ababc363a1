import type { DomainRecord } from '@postern/protocol/dns';
import { type EnvelopeCertificate, loadCertificate, ProtocolError } from '@postern/protocol/envelope';
import { ExitCode } from '@postern/runtime';
import { explain, type FoundRecord } from '../domains/index.ts';
import type { Draft, Problem, ProblemCode, RecipientDomain, Travel } from '../message.ts';
import type { AudienceDeps } from './audience.ts';
import { travelTo, unreached } from './mode.ts';

export interface Gateway {
  /** Absent when there are problems. */
  readonly certificate?: EnvelopeCertificate;
  /** How a message goes there; known even where something else is wrong. */
  readonly travel?: Travel;
  readonly record?: RecipientDomain;
  readonly problems: readonly Problem[];
  /** In sentences. */
  readonly warnings: readonly string[];
}

/** Whether a domain takes this draft, on which way, and the certificate that its envelopes go to. */
export async function gatewayOf(domain: string, draft: Draft, deps: AudienceDeps): Promise<Gateway> {
  const found = await deps.domains.lookup(domain, deps.signal);
  if (found.kind !== 'record') return { problems: [explain(domain, found)], warnings: [] };
  const warnings = warningsOf(domain, found);
  const way = travelTo(found, deps);
  const loaded = await load(found.record, deps.now);
  const problems = [
    ...unreached(found, deps),
    ...(way.kind === 'problem' ? [way.problem] : []),
    ...limitsOf(found.record, draft),
    ...loaded.problems,
  ];
  const travel = way.kind === 'travel' ? { travel: way.travel } : {};
  const { vouchedBy, from } = found;
  const record = { fingerprint: found.record.fingerprint, vouchedBy, from };
  return problems.length > 0 ? { ...travel, problems, warnings } : { ...travel, ...loaded, record, warnings };
}

/** What an author should know although the message goes. */
function warningsOf(domain: string, found: FoundRecord): string[] {
  const asked = `DNS was asked for ${domain} just now, which shows that you write there now; postern domain prefetch asks ahead of time`;
  const unsigned = `nothing vouches for the key of ${domain} but that it was seen first: ${found.record.fingerprint}`;
  return [...(found.from === 'dns' ? [asked] : []), ...(found.vouchedBy === 'first-use' ? [unsigned] : [])];
}

export function domainOf(mailbox: string): string {
  return mailbox.slice(mailbox.lastIndexOf('@') + 1);
}

function limitsOf({ domain, maxBytes }: DomainRecord, { message }: Draft): Problem[] {
  if (message.length <= maxBytes) return [];
  const what = `${domain} takes messages of ${maxBytes} bytes at most, this one has ${message.length}`;
  return [problem('too-large', what, 'Send less at once.')];
}

async function load({ domain, certificate }: DomainRecord, now: Date): Promise<Omit<Gateway, 'warnings'>> {
  try {
    return { certificate: await loadCertificate(certificate, now), problems: [] };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    const hint = 'Get a newer record from the domain’s operator, and: postern domain pin FILE';
    return {
      problems: [problem('unusable-record', `the record of ${domain} does not hold: ${error.message}`, hint)],
    };
  }
}

function problem(code: ProblemCode, message: string, hint: string): Problem {
  return { code, message, hint, exitCode: ExitCode.dataError };
}
