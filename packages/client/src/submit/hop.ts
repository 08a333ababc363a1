import type { SmtpPeer } from '@postern/mail';

/** Where something is handed over now. */
export interface Hop {
  readonly kind: 'hop';
  /** Whose `secure` mailbox the carriage is for: a mix's name, or a recipient's domain. */
  readonly domain: string;
  /** Who is talked to, for people: the same mix, or the author's own gateway. */
  readonly server: string;
  readonly peer: SmtpPeer;
  /** At the author's own gateway: the mailbox that is logged in, which is the return path there. */
  readonly author?: string;
  /** The server knows nothing of Postern: carriages are from the author's mailbox. */
  readonly account?: true;
}

/**
 * `unknown`: the consensus does not list the node; `no-consensus`: there is none to look in; `no-time`: the tries are over; `no-gateway`:
 * only a gateway of the author's own takes it, and none is configured.
 */
export type NoHop =
  | { readonly kind: 'unknown' | 'no-consensus' | 'no-time' | 'no-gateway' }
  /** A first mix that the provider of an account does not find. */
  | { readonly kind: 'not-by-account'; readonly server: string };
