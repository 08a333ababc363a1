import type { DomainRecord } from '@postern/protocol/dns';

/** A record for people and programs: without the certificate, and with a date that can be read. */
export function shown(record: DomainRecord): object {
  const { certificate: _certificate, expires, ...rest } = record;
  return { ...rest, expires: new Date(expires * 1000).toISOString() };
}
