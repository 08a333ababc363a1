import { sha1 } from '@noble/hashes/legacy.js';
import { concat } from '../codec/bytes.ts';
import { encodeHex } from '../codec/hex.ts';
import { framePackets, packetTypes } from '../codec/openpgp.ts';

export type Inspected =
  | { readonly kind: 'certificate'; readonly fingerprint: string }
  | { readonly kind: 'refused'; readonly reason: CertificateRefusedReason };

export type CertificateRefusedReason =
  /** Not the packets of one public key of version 4. */
  | 'malformed-certificate'
  /** None of its user ids is the domain's mailbox. */
  | 'wrong-user-id';

// spec dns 4
/**
 * Looks at the shape of a certificate, without judging its signatures: whoever encrypts to it does that. What DNS vouches for is
 * these bytes.
 */
export function inspectCertificate(certificate: Uint8Array, domain: string): Inspected {
  const packets = framePackets(certificate, mostPackets);
  const [primary, ...rest] = packets ?? [];
  if (
    primary?.type !== packetTypes.publicKey ||
    [primary, ...rest].some(({ length }) => length !== 'definite') ||
    primary.body[0] !== 4 ||
    rest.some(({ type }) => secretOrPrimary.includes(type))
  )
    return { kind: 'refused', reason: 'malformed-certificate' };
  const userIds = rest
    .filter(({ type }) => type === packetTypes.userId)
    .map(({ body }) => String.fromCharCode(...body.subarray(0, longestUserId)));
  const mailbox = `secure@${domain}`;
  if (!userIds.some((userId) => userId === mailbox || userId.endsWith(`<${mailbox}>`)))
    return { kind: 'refused', reason: 'wrong-user-id' };
  return { kind: 'certificate', fingerprint: fingerprintOf(primary.body) };
}

/** RFC 9580 section 5.5.4.2. */
function fingerprintOf(body: Uint8Array): string {
  return encodeHex(sha1(concat(Uint8Array.of(0x99, body.length >> 8, body.length & 0xff), body)));
}

const mostPackets = 256;
const longestUserId = 1024;

/** A second public key, and secret ones with their subkeys. */
const secretOrPrimary: readonly number[] = [
  packetTypes.publicKey,
  packetTypes.secretKey,
  packetTypes.secretSubkey,
];
