import { createHash, X509Certificate } from 'node:crypto';
import { MailError } from '../errors.ts';

/** Hex SHA-256 of a certificate's SubjectPublicKeyInfo (RFC 7469 section 2.4 pins the same bytes). Throws `bad-certificate`. */
export function spkiPin(certPem: string): string {
  try {
    return pinOf(new X509Certificate(certPem));
  } catch (cause) {
    throw new MailError('bad-certificate', 'cannot read the certificate', { cause, hint: 'It must be PEM.' });
  }
}

export function pinOf(certificate: X509Certificate): string {
  return createHash('sha256').update(spkiOf(certificate)).digest('hex');
}

export function spkiOf(certificate: X509Certificate): Buffer {
  return certificate.publicKey.export({ type: 'spki', format: 'der' });
}
