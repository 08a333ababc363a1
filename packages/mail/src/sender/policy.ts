import { hash } from 'node:crypto';
import { isDomain } from '../address.ts';
import { MailError } from '../errors.ts';

/**
 * How a mail server has to prove who it is. With every policy but `opportunistic` nothing of a mailbox or a message
 * is sent before it has.
 */
export type TlsPolicy =
  /** TLS 1.3, to the holder of one of these keys: hex SHA-256 of the certificate's SubjectPublicKeyInfo. */
  | { readonly kind: 'pin'; readonly pins: readonly string[] }
  /**
   * DANE (RFC 7672). `names` are what a certificate below a trust anchor of usage 2 must be for one of: the name that
   * the records stand at, and the domain that the mail is for. Usage 3 asks for no name and no date.
   */
  | { readonly kind: 'dane'; readonly records: readonly Tlsa[]; readonly names: readonly string[] }
  /** A certificate for one of `names` from an authority that everybody trusts, or of `ca` (PEM) in their place. */
  | { readonly kind: 'web'; readonly names: readonly string[]; readonly ca?: readonly string[] }
  /** TLS if it can be had, with whoever answers, else none (RFC 7435). Helps against those who only listen. */
  | { readonly kind: 'opportunistic' };

/** A TLSA record (RFC 6698 section 2.1). */
export interface Tlsa {
  readonly usage: number;
  readonly selector: number;
  readonly matching: number;
  readonly data: Uint8Array;
}

interface Endpoint {
  readonly host: string;
  readonly port: number;
  /** Sent as SNI; else the first name of the policy, or `host` unless it is an address. */
  readonly serverName?: string;
  /** TLS from the first octet, as on port 465 (RFC 8314), in place of STARTTLS. */
  readonly implicitTls?: boolean;
  /** Log in before sending (RFC 4954). Not with the policy `opportunistic`. */
  readonly auth?: { readonly user: string; readonly pass: string };
}

/** A mail server, and how it proves that it is the one. */
export type SmtpPeer = Endpoint &
  (
    | { readonly tlsPin: string; readonly tls?: undefined }
    | { readonly tls: TlsPolicy; readonly tlsPin?: undefined }
  );

/** `tlsPin` is short for the policy `pin` with one key. */
export function policyOf(peer: SmtpPeer): TlsPolicy {
  return peer.tls ?? { kind: 'pin', pins: [peer.tlsPin] };
}

/** The same for peers whose connections may be shared, and for no others. Tells nothing of the login in it. */
export function peerKey(peer: SmtpPeer): string {
  const { host, port, serverName, implicitTls, auth } = peer;
  const policy = policyOf(peer);
  const plain = policy.kind === 'dane' ? { ...policy, records: policy.records.map(inHex) } : policy;
  const text = JSON.stringify([host, port, serverName, implicitTls, auth?.user, auth?.pass, plain]);
  return hash('sha256', text, 'base64url');
}

function inHex(record: Tlsa): object {
  return { ...record, data: Buffer.from(record.data).toString('hex') };
}

/** Throws `bad-options` for what cannot work, or would show a password to anybody. */
export function checkPeer(peer: SmtpPeer): void {
  const policy = policyOf(peer);
  if (policy.kind === 'dane' || policy.kind === 'web') {
    if (policy.names.length === 0 || !policy.names.every(isDomain))
      throw new MailError('bad-options', 'a TLS policy needs domain names');
  }
  if (policy.kind === 'pin' && policy.pins.length === 0)
    throw new MailError('bad-options', 'a TLS policy needs a pin');
  if (peer.auth === undefined) return;
  if (policy.kind === 'opportunistic')
    throw new MailError('bad-options', 'a login needs a peer that has proven who it is', {
      hint: 'Use the policy web or pin.',
    });
  if (![peer.auth.user, peer.auth.pass].every((text) => text !== '' && !/\p{Cc}/u.test(text)))
    throw new MailError('bad-options', 'user and password must not be empty or hold control characters');
}
