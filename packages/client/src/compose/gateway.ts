import { type Consensus, ProtocolError } from '@postern/protocol/consensus';
import type { DomainRecord } from '@postern/protocol/dns';
import { type EnvelopeCertificate, loadCertificate } from '@postern/protocol/envelope';
import { ExitCode } from '@postern/runtime';
import { type DomainLookup, explain } from '../domains/index.ts';
import type { Draft, Problem, ProblemCode } from '../message.ts';
import type { AudienceDeps } from './audience.ts';

export interface Gateway {
  /** Absent when there are problems. */
  readonly certificate?: EnvelopeCertificate;
  readonly problems: readonly Problem[];
  /** In sentences. */
  readonly warnings: readonly string[];
}

/** Whether a domain takes this draft through mixes, and the certificate that its envelopes go to. */
export async function gatewayOf(domain: string, draft: Draft, deps: AudienceDeps): Promise<Gateway> {
  const served = deps.consensus === undefined || isServed(domain, deps.consensus);
  const unserved = served
    ? []
    : [
        problem(
          'domain-not-served',
          `no gateway of the consensus serves ${domain}`,
          'Try again later; if it stays so, tell the domain’s operator.',
        ),
      ];
  const found = await deps.domains.lookup(domain, deps.signal);
  if (found.kind !== 'record') return { problems: [...unserved, explain(domain, found)], warnings: [] };
  const warnings = warningsOf(domain, found);
  const loaded = await load(found.record, deps.now);
  const problems = [...unserved, ...limitsOf(found.record, draft), ...loaded.problems];
  return problems.length > 0 ? { problems, warnings } : { ...loaded, warnings };
}

/** What an author should know although the message goes. */
function warningsOf(domain: string, found: Extract<DomainLookup, { kind: 'record' }>): string[] {
  const asked = `DNS was asked for ${domain} just now, which shows that you write there now; postern domain prefetch asks ahead of time`;
  const unsigned = `nothing vouches for the key of ${domain} but that it was seen first: ${found.record.fingerprint}`;
  return [...(found.from === 'dns' ? [asked] : []), ...(found.vouchedBy === 'first-use' ? [unsigned] : [])];
}

export function domainOf(mailbox: string): string {
  return mailbox.slice(mailbox.lastIndexOf('@') + 1);
}

function isServed(domain: string, { nodes }: Consensus): boolean {
  return nodes.some(({ roles, domains }) => roles.includes('delivery') && domains.includes(domain));
}

function limitsOf({ domain, mix, maxBytes }: DomainRecord, { message }: Draft): Problem[] {
  const problems: Problem[] = [];
  if (!mix) {
    const hint = 'Write to them by another way.';
    problems.push(problem('domain-takes-no-mix', `${domain} takes no mail through mixes`, hint));
  }
  if (message.length > maxBytes) {
    const what = `${domain} takes messages of ${maxBytes} bytes at most, this one has ${message.length}`;
    problems.push(problem('too-large', what, 'Send less at once.'));
  }
  return problems;
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
