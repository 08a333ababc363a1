import { openpgpkeyLabel } from '@postern/protocol/dns';
import type { Resolver } from '@postern/runtime/dns';
import { failed, none, type Source, tooLongIsNone } from './source.ts';

/**
 * OPENPGPKEY (RFC 7929). Only what DNSSEC proves counts (section 5.1): what nothing proves says nothing. The local part is hashed in
 * lower case, as GnuPG does.
 */
export function dnsSource(resolver: Resolver): Source {
  return async ({ local, domain }, signal) => {
    const owner = `${openpgpkeyLabel(local.toLowerCase())}._openpgpkey.${domain}.`;
    try {
      const answer = await resolver.resolve(owner, 'OPENPGPKEY', signal);
      if (answer.kind === 'failed')
        return failed(`DNS has no trustworthy answer for ${domain} (${answer.reason})`);
      if (!answer.secure)
        return none(
          `nothing proves the answer for ${domain} (zone unsigned, or your resolver does not validate)`,
        );
      return answer.kind === 'none'
        ? none('there is no OPENPGPKEY record, as DNSSEC proves')
        : { kind: 'found', content: answer.records.map(({ certificate }) => certificate) };
    } catch (error) {
      return tooLongIsNone(error);
    }
  };
}
