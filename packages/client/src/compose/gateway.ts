import { type Consensus, ProtocolError } from '@postern/protocol/consensus';
import type { DomainRecord } from '@postern/protocol/dns';
import { type EnvelopeCertificate, loadCertificate } from '@postern/protocol/envelope';
import { ExitCode } from '@postern/runtime';
import type { Draft, Problem, ProblemCode } from '../message.ts';
import type { AudienceDeps } from './audience.ts';

export interface Gateway {
  /** Absent when there are problems. */
  readonly certificate?: EnvelopeCertificate;
  readonly problems: readonly Problem[];
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
  const found = await deps.domains.lookup(domain);
  switch (found.kind) {
    case 'absent': {
      const hint = 'Get its record from the domain’s operator, and: postern domain pin FILE';
      return {
        problems: [
          ...unserved,
          problem('domain-not-pinned', `nothing is known of the domain ${domain}`, hint),
        ],
      };
    }
    case 'refused': {
      const hint = 'Get a newer one from the domain’s operator, and: postern domain pin FILE';
      const message = `the record of ${domain} does not hold: ${found.reason}`;
      return { problems: [...unserved, problem('unusable-record', message, hint)] };
    }
    case 'record': {
      const loaded = await load(found.record, deps.now);
      const problems = [...unserved, ...limitsOf(found.record, draft), ...loaded.problems];
      return problems.length > 0 ? { problems } : loaded;
    }
  }
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

async function load({ domain, certificate }: DomainRecord, now: Date): Promise<Gateway> {
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
