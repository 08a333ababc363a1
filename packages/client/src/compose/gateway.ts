import type { DomainRecord } from '@postern/protocol/dns';
import { type EnvelopeCertificate, loadCertificate, ProtocolError } from '@postern/protocol/envelope';
import { ExitCode } from '@postern/runtime';
import type { Draft, Problem, ProblemCode, Travel } from '../message.ts';
import type { AudienceDeps } from './audience.ts';
import { travelTo, unserved } from './mode.ts';

export interface Gateway {
  /** Absent when there are problems. */
  readonly certificate?: EnvelopeCertificate;
  /** How a message goes there; known even where something else is wrong. */
  readonly travel?: Travel;
  readonly problems: readonly Problem[];
}

/** Whether a domain takes this draft, on which way, and the certificate that its envelopes go to. */
export async function gatewayOf(domain: string, draft: Draft, deps: AudienceDeps): Promise<Gateway> {
  const nobody = unserved(domain, deps);
  const found = await deps.domains.lookup(domain);
  switch (found.kind) {
    case 'absent': {
      const hint = 'Get its record from the domain’s operator, and: postern domain pin FILE';
      return {
        problems: [...nobody, problem('domain-not-pinned', `nothing is known of the domain ${domain}`, hint)],
      };
    }
    case 'refused': {
      const hint = 'Get a newer one from the domain’s operator, and: postern domain pin FILE';
      const message = `the record of ${domain} does not hold: ${found.reason}`;
      return { problems: [...nobody, problem('unusable-record', message, hint)] };
    }
    case 'record': {
      const way = travelTo(found.record, deps);
      const loaded = await load(found.record, deps.now);
      const problems = [
        ...nobody,
        ...(way.kind === 'problem' ? [way.problem] : []),
        ...limitsOf(found.record, draft),
        ...loaded.problems,
      ];
      const travel = way.kind === 'travel' ? { travel: way.travel } : {};
      return problems.length > 0 ? { ...travel, problems } : { ...travel, ...loaded };
    }
  }
}

export function domainOf(mailbox: string): string {
  return mailbox.slice(mailbox.lastIndexOf('@') + 1);
}

function limitsOf({ domain, maxBytes }: DomainRecord, { message }: Draft): Problem[] {
  if (message.length <= maxBytes) return [];
  const what = `${domain} takes messages of ${maxBytes} bytes at most, this one has ${message.length}`;
  return [problem('too-large', what, 'Send less at once.')];
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
