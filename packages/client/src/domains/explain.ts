import type { Change, Finding, TemporaryReason } from '@postern/protocol/dns';
import { ExitCode } from '@postern/runtime';
import type { ProblemCode } from '../message.ts';
import type { DomainLookup } from './domains.ts';
import { day, inWords } from './words.ts';

/** Why nothing is sent to a domain, and what to do about it. */
export interface Explained {
  readonly code: ProblemCode;
  readonly message: string;
  readonly hint: string;
  readonly exitCode: number;
}

export type Refusal = Exclude<DomainLookup, { kind: 'record' }>;

export function explain(domain: string, refusal: Refusal): Explained {
  const problem = (code: ProblemCode, message: string, hint: string): Explained => ({
    code,
    message,
    hint,
    exitCode: refusal.kind === 'temporary' ? ExitCode.tempFail : ExitCode.dataError,
  });
  switch (refusal.kind) {
    case 'unknown':
      return problem(
        'domain-not-pinned',
        `nothing is known of the domain ${domain}`,
        `Is the name right? ${pinIt}`,
      );
    case 'bad-pin': {
      const message = `the record of ${domain} does not hold: ${inWords(refusal.reason)}`;
      return problem(
        'unusable-record',
        message,
        'Get a newer one from the domain’s operator, and: postern domain pin FILE',
      );
    }
    case 'invalid': {
      const message = `the record that ${domain} has in DNS does not hold: ${inWords(refusal.reason)}`;
      return problem(
        'unusable-record',
        message,
        'Tell the domain’s operator; nothing is sent until it is mended.',
      );
    }
    case 'does-not-take-part': {
      const proof = refusal.secure ? 'DNSSEC proves it' : 'its zone is not signed, so nobody proves it';
      const message = `${domain} does not take part: there is no record for secure mail in its DNS (${proof})`;
      return problem(
        'domain-takes-no-part',
        message,
        'Is the name right? If it is, write to them by another way, and mind that it shows who writes to whom.',
      );
    }
    case 'unsigned': {
      const message = `the zone of ${domain} is not signed, so nothing vouches for its record`;
      const hint = `${pinIt}. Or set unsigned = "trust-on-first-use" in [dns], if you accept whatever is seen first.`;
      return problem('domain-unsigned', message, hint);
    }
    case 'temporary':
      return problem('domain-unanswered', temporaryIn(domain, refusal), mends[refusal.reason]);
    case 'changed': {
      const { fingerprint } = refusal.record;
      const hint =
        refusal.known.vouchedBy === 'pinned'
          ? `What you pinned counts. Ask the domain’s operator by another way which is theirs, then pin theirs with --replace, or go by DNS: postern domain remove ${domain}`
          : `Ask the domain’s operator by another way which is theirs. Only then: postern domain accept ${domain} ${fingerprint}`;
      return problem('domain-changed', changes[refusal.change](domain, refusal), hint);
    }
  }
}

const pinIt = 'Get its record from the domain’s operator, and: postern domain pin FILE';

type Changed = Extract<Finding, { kind: 'changed' }>;

const changes: Readonly<Record<Change, (domain: string, changed: Changed) => string>> = {
  'another-key': (domain, { known, record }) =>
    `ANOTHER KEY FOR ${domain}: known is ${known.record.fingerprint}, and DNS brings ${record.fingerprint}`,
  'another-certificate': (domain, { record }) =>
    `THE CERTIFICATE OF ${domain} HAS CHANGED, and its zone is not signed; its key is still ${record.fingerprint}`,
  'weaker-tls': (domain) => `${domain} NO LONGER REQUIRES TLS, and its zone is not signed`,
  older: (domain, { known, record }) =>
    `the record known of ${domain} is newer: it holds until ${day(known.record.expires)}, the one in DNS until ${day(record.expires)}`,
};

function temporaryIn(domain: string, { reason, lastGood }: Extract<Finding, { kind: 'temporary' }>): string {
  const kept =
    lastGood === undefined ? '' : `; the last good record, until ${day(lastGood.record.expires)}, is kept`;
  return `${failures[reason](domain)}${kept}`;
}

const failures: Readonly<Record<TemporaryReason, (domain: string) => string>> = {
  bogus: (domain) =>
    `what DNS says of ${domain} fails its signatures: somebody alters it, or the zone is broken`,
  servfail: (domain) => `the DNS resolver has no answer for ${domain}`,
  timeout: (domain) => `the DNS resolver did not answer for ${domain} in time`,
  unreachable: (domain) => `no DNS resolver can be reached to ask for ${domain}`,
  malformed: (domain) => `the DNS resolver answered for ${domain} with what is no answer`,
  unprovable: (domain) => `the zone of ${domain} is signed in a way that cannot be checked here`,
  vanished: (domain) => `the record of ${domain} has vanished from DNS before its time`,
  'no-longer-signed': (domain) => `the zone of ${domain} was signed and no longer is`,
};

const later = 'Try again later. Nothing is sent by another way meanwhile.';

const mends: Readonly<Record<TemporaryReason, string>> = {
  bogus: `${later} If it stays so, check this machine’s clock, and tell the domain’s operator.`,
  servfail: later,
  timeout: later,
  unreachable:
    'Run a validating resolver such as unbound on this machine, or name one under resolver in [dns], with validate = "in-process" if it is elsewhere.',
  malformed: 'Name another resolver in [dns].',
  unprovable: 'Use a validating resolver on this machine: validate = "resolver" in [dns].',
  vanished: later,
  'no-longer-signed': `${later} If it stays so, ask the domain’s operator.`,
};
