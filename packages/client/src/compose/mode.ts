import type { Consensus } from '@postern/protocol/consensus';
import type { DomainRecord } from '@postern/protocol/dns';
import { ExitCode } from '@postern/runtime';
import type { FoundRecord } from '../domains/index.ts';
import type { Problem, SendMode, TlsWish, Travel } from '../message.ts';

/** What counts for the way to a domain. */
export interface ModeDeps {
  readonly mode: SendMode;
  /** For this message; else it is the configured one. */
  readonly modeAsked: boolean;
  readonly tls: TlsWish;
  /** Whether something takes what goes to domains: the author's own gateway, or whoever gets the files. */
  readonly gateway: boolean;
  /** It is an account at a provider that knows nothing of Postern. */
  readonly account: boolean;
  /** Absent when there is none: then nothing can be said of gateways. */
  readonly consensus: Consensus | undefined;
}

export type ChosenTravel =
  | { readonly kind: 'travel'; readonly travel: Travel }
  | { readonly kind: 'problem'; readonly problem: Problem };

/**
 * How a message goes to a domain. `auto` chooses by what the domain says of itself and by a valid consensus alone: without one it does not
 * go direct, since whoever cuts a client off from the directory could have it so.
 */
export function travelTo(found: FoundRecord, deps: ModeDeps): ChosenTravel {
  const { record } = found;
  const { domain, mix } = record;
  const { mode, consensus } = deps;
  const wish = deps.modeAsked ? 'the mode asked for' : 'as configured';
  if (mode === 'direct') return direct(record, wish, deps);
  const served = consensus === undefined || isReached(found, consensus);
  if (mode === 'auto' && !mix) return direct(record, `${domain} takes no mail through mixes`, deps);
  if (mode === 'auto' && !served) return direct(record, `no gateway of the consensus serves ${domain}`, deps);
  if (!mix) {
    const hint = deps.gateway
      ? `Send ${directly}`
      : 'It can be written to through a gateway of your own domain alone, and none is configured: see [submission].';
    const message = `${domain} takes no mail through mixes`;
    return { kind: 'problem', problem: problem('domain-takes-no-mix', message, hint) };
  }
  const why = mode === 'mix' ? wish : `${domain} takes mail through mixes`;
  return { kind: 'travel', travel: { mode: 'mix', why, tlsOptional: false } };
}

/** What is said of a domain that a last mix would not find. */
export function unreached(found: FoundRecord, { mode, consensus, gateway }: ModeDeps): Problem[] {
  if (mode !== 'mix' || consensus === undefined || isReached(found, consensus)) return [];
  const { domain, mix } = found.record;
  const message = `no gateway of the consensus serves ${domain}, and DNSSEC proves no record of it that mixes could find it by`;
  const instead = gateway ? `Try again later, or send ${directly}` : 'Try again later.';
  const forget =
    found.vouchedBy === 'pinned' && mix
      ? ` The record is pinned, and DNS is not asked. If DNSSEC proves theirs, forget the pinned one: postern domain remove ${domain}`
      : '';
  const hint = `Is the name right? If it is, nobody there takes mail through mixes now. ${instead}${forget}`;
  return [problem('domain-not-served', message, hint)];
}

/** Whether the last mix of a path finds the domain: by the consensus, or by what the domain itself says and DNSSEC proves. */
function isReached({ record, vouchedBy }: FoundRecord, consensus: Consensus): boolean {
  return isServed(record.domain, consensus) || (record.mix && vouchedBy === 'dnssec');
}

export function isServed(domain: string, { nodes }: Consensus): boolean {
  return nodes.some(({ roles, domains }) => roles.includes('delivery') && domains.includes(domain));
}

const directly = 'with --mode direct, which shows your domain and theirs to the mail servers between.';

function direct({ domain, tls }: DomainRecord, why: string, deps: ModeDeps): ChosenTravel {
  if (deps.account && deps.mode === 'auto') {
    const hint = 'If that may be, say so: --mode direct.';
    const message = `direct, the gateway of ${domain} sees your mailbox, as the mail servers between do, since an account sends it; auto does not choose that: ${why}`;
    return { kind: 'problem', problem: problem('direct-by-account', message, hint) };
  }
  if (deps.gateway) {
    const tlsOptional = tls === 'prefer' && deps.tls === 'prefer';
    return { kind: 'travel', travel: { mode: 'direct', why, tlsOptional } };
  }
  const hint = 'Name it in the configuration: [submission] with server = "HOST:PORT".';
  const message = `what goes direct to ${domain} has to go through a gateway of your own domain, and none is configured`;
  return { kind: 'problem', problem: problem('no-own-gateway', message, hint) };
}

function problem(code: Problem['code'], message: string, hint: string): Problem {
  return { code, message, hint, exitCode: ExitCode.dataError };
}
