/**
 * Why a message could not be handed over now:
 * - `declined`: the sender's `meet` would not have it; nothing but EHLO was said
 * - `unreachable`: no connection, or no address for the name
 * - `timeout`: a deadline passed
 * - `lost`: the connection broke
 * - `busy`: the peer answered 4yz, or would not talk at all
 * - `protocol`: the peer answered what no mail server answers
 * - `aborted`: the caller's signal
 * - `crowded`: the caller's signal, before any of the connections to the peer was free: nothing was asked of it
 * - `closed`: the sender is closed
 */
export type DeferredReason =
  | 'unreachable'
  | 'timeout'
  | 'lost'
  | 'busy'
  | 'protocol'
  | 'aborted'
  | 'declined'
  | 'crowded'
  | 'closed';

export interface Sent {
  readonly kind: 'sent';
  /** Over TLS. Never false but with the policy `opportunistic`, where it says nothing of who took the message. */
  readonly secured: boolean;
}

/** To be sent again later, as the same bytes: `maybeDelivered` when the peer may have taken it, but its answer did not arrive. */
export interface Deferred {
  readonly kind: 'deferred';
  readonly reason: DeferredReason;
  readonly maybeDelivered: boolean;
}

/** The peer will never take this message: its reply code (5yz), and its RFC 3463 code. */
export interface Refused {
  readonly kind: 'refused';
  readonly code: number;
  readonly enhanced: string;
}

/** What became of a message. */
export type SendResult =
  | Sent
  | Deferred
  | Refused
  /** The peer is not who the policy demands: another key, or a certificate that does not do; no message byte and no mailbox was sent. */
  | { readonly kind: 'untrusted' }
  /** The peer offers no TLS, or none that is good enough; no message byte and no mailbox was sent. */
  | { readonly kind: 'no-tls' }
  /** The peer takes no login, or not this one; no message byte was sent. */
  | { readonly kind: 'no-login' };

export function deferred(reason: DeferredReason, maybeDelivered = false): Deferred {
  return { kind: 'deferred', reason, maybeDelivered };
}

/** An error as nodemailer gives it. */
export interface LibraryError extends Error {
  readonly code?: string;
  /** The code of the error underneath. */
  readonly originalCode?: string;
  /** The reply that it stems from. */
  readonly response?: string;
  readonly responseCode?: number;
}

/** What an error before MAIL means. What a peer says there is about the session, not about the message, so never `refused`. */
export function connectFailure(error: LibraryError): SendResult {
  const { code, originalCode = '', responseCode } = error;
  if (code === 'ETLS' && responseCode !== undefined && responseCode >= 500) return { kind: 'no-tls' };
  if (originalCode.startsWith('ERR_SSL')) return { kind: 'no-tls' };
  if (responseCode !== undefined) return deferred('busy');
  if (code === 'ETIMEDOUT') return deferred('timeout');
  if (code === 'EPROTOCOL') return deferred('protocol');
  if (code === 'EDNS' || unreachable.has(originalCode)) return deferred('unreachable');
  return deferred('lost');
}

/** What an error from MAIL on means; `ended`: the end of the data may have been sent. */
export function sendFailure(error: LibraryError, ended: boolean): Deferred | Refused {
  const { code, response, responseCode } = error;
  if (code === 'EREQUIRETLS') return { kind: 'refused', code: 550, enhanced: '5.7.30' }; // RFC 8689 section 5
  if (responseCode !== undefined && responseCode >= 500) return refusedBy(responseCode, response ?? '');
  if (responseCode !== undefined && responseCode >= 400) return deferred('busy');
  if (response !== undefined || code === 'EPROTOCOL') return deferred('protocol', ended);
  if (code === 'EMESSAGE') return { kind: 'refused', code: 552, enhanced: '5.3.4' }; // larger than the peer's SIZE
  return deferred(code === 'ETIMEDOUT' ? 'timeout' : 'lost', ended);
}

function refusedBy(code: number, response: string): Refused {
  const enhanced = /^\d{3}[ -](5\.\d{1,3}\.\d{1,3})(?: |$)/m.exec(response)?.[1] ?? '5.0.0';
  return { kind: 'refused', code, enhanced };
}

const unreachable = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ENOENT',
  'EACCES',
]);
