import type { Mailbox } from '@postern/mail';
import { DnsError } from '@postern/runtime/dns';

/** What a source says of a mailbox. What the network does is a value. */
export type Looked =
  /** Certificates, binary or armored: what the source has, not yet judged. */
  | { readonly kind: 'found'; readonly content: readonly Uint8Array[] }
  /** It has nothing that counts; in words. */
  | { readonly kind: 'none'; readonly why: string }
  /** Nothing can be said: no reason to go on to another source. */
  | { readonly kind: 'failed'; readonly why: string };

/** Throws the signal's reason alone. */
export type Source = (mailbox: Mailbox, signal?: AbortSignal) => Promise<Looked>;

export function none(why: string): Looked {
  return { kind: 'none', why };
}

export function failed(why: string): Looked {
  return { kind: 'failed', why };
}

/** A domain may be so long that no name below it can exist. */
export function tooLongIsNone(error: unknown): Looked {
  if (error instanceof DnsError && error.code === 'wrong-name') return none('the name is too long to exist');
  throw error;
}
