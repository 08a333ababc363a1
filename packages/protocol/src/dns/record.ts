import { encodeHex } from '../codec/hex.ts';
import { ProtocolError } from '../errors.ts';
import { sha256 } from '../primitives/index.ts';
import { inspectCertificate } from './certificate.ts';

/** What a domain says of itself in DNS. */
export interface DomainRecord {
  /** Lower case, no dot at the end. */
  readonly domain: string;
  /** Local part that all of the domain's secure mail goes to. */
  readonly mailbox: 'secure';
  /** Of the certificate's primary key: 40 hexadecimal digits in lower case. */
  readonly fingerprint: string;
  /** SHA-256 of the certificate, hexadecimal in lower case. */
  readonly certificateDigest: string;
  /** Whether mail to it may travel without TLS. */
  readonly tls: 'require' | 'prefer';
  /** Whether it takes mail that comes through mixes. */
  readonly mix: boolean;
  /** Largest message (RFC 5322) that it takes, in bytes. */
  readonly maxBytes: number;
  /** Unix seconds: until then the record holds. */
  readonly expires: number;
  /** Binary transferable public key (RFC 9580 section 10.1). */
  readonly certificate: Uint8Array;
}

/** A record of this certificate. Throws `ProtocolError` `wrong-record` when it is none for that domain. */
export function makeRecord(
  p: Pick<DomainRecord, 'domain' | 'certificate' | 'tls' | 'mix' | 'maxBytes' | 'expires'>,
): DomainRecord {
  const inspected = inspectCertificate(p.certificate, p.domain);
  if (inspected.kind === 'refused')
    throw new ProtocolError('wrong-record', `there is no record of this certificate: ${inspected.reason}`);
  return {
    ...p,
    mailbox: 'secure',
    fingerprint: inspected.fingerprint,
    certificateDigest: encodeHex(sha256(p.certificate)),
  };
}

/** Octets of a name's labels and the record's local part, hashed (RFC 7929 section 3). */
export function openpgpkeyLabel(localPart: string): string {
  return encodeHex(sha256(new TextEncoder().encode(localPart)).subarray(0, 28));
}
