import { createHash, type X509Certificate } from 'node:crypto';
import { spkiOf } from './pin.ts';
import type { Tlsa } from './policy.ts';

/** RFC 7218 section 2.1. The usages of PKIX, 0 and 1, do not exist in SMTP (RFC 7672 section 3.1.3). */
const daneTa = 2;
const daneEe = 3;

/** The records that can be used at all (RFC 7672 section 3.1): others are as if they were not there. */
export function usableTlsa<T extends Tlsa>(records: readonly T[]): T[] {
  return records.filter(
    ({ usage, selector, matching, data }) =>
      (usage === daneTa || usage === daneEe) &&
      (selector === 0 || selector === 1) &&
      (matching === 0 ? data.length > 0 : data.length === digests[matching]?.octets),
  );
}

/** Whether a record of usage 3 is of this certificate. */
export function isNamedItself(certificate: X509Certificate, records: readonly Tlsa[]): boolean {
  return usableTlsa(records).some((record) => record.usage === daneEe && matches(certificate, record));
}

/** Whether a record of usage 2 is of this certificate, so that it may vouch for others. */
export function isAnchor(certificate: X509Certificate, records: readonly Tlsa[]): boolean {
  return usableTlsa(records).some((record) => record.usage === daneTa && matches(certificate, record));
}

function matches(certificate: X509Certificate, { selector, matching, data }: Tlsa): boolean {
  const selected = selector === 0 ? certificate.raw : spkiOf(certificate);
  const digest = digests[matching];
  const found = digest === undefined ? selected : createHash(digest.name).update(selected).digest();
  return found.equals(data);
}

/** By matching type (RFC 6698 section 2.1.3). */
const digests: Readonly<Record<number, { readonly name: string; readonly octets: number }>> = {
  1: { name: 'sha256', octets: 32 },
  2: { name: 'sha512', octets: 64 },
};
