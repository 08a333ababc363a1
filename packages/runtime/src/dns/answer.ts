/** The types that can be asked for, and what a record of each holds. */
export interface RecordTypes {
  /** RFC 1035 section 3.3.14. Octets as the characters 0 to 255. */
  readonly TXT: { readonly strings: readonly string[] };
  /** RFC 7929: a binary transferable public key. */
  readonly OPENPGPKEY: { readonly certificate: Uint8Array };
  /** RFC 6698 section 2.1. */
  readonly TLSA: {
    readonly usage: number;
    readonly selector: number;
    readonly matching: number;
    readonly data: Uint8Array;
  };
  /** RFC 1035 section 3.3.9. Lower case, with the dot at the end. */
  readonly MX: { readonly preference: number; readonly exchange: string };
  readonly A: { readonly address: string };
  readonly AAAA: { readonly address: string };
}

export type RecordType = keyof RecordTypes;

/** `secure`: DNSSEC proves it, and whoever checked that is trusted (RFC 4033 section 5). */
export type Answer<T extends RecordType = RecordType> =
  | {
      readonly kind: 'found';
      readonly secure: boolean;
      readonly records: readonly RecordTypes[T][];
      readonly ttlSeconds: number;
    }
  /** The name does not exist, or has no record of that type (RFC 2308). */
  | { readonly kind: 'none'; readonly secure: boolean; readonly ttlSeconds: number }
  | { readonly kind: 'failed'; readonly reason: FailureReason };

export type FailureReason =
  /** Signed, and the signatures do not hold. */
  | 'bogus'
  /** The resolver could not, or would not. */
  | 'servfail'
  | 'timeout'
  /** Nothing listens there, or there is no way. */
  | 'unreachable'
  /** What came is no answer. */
  | 'malformed'
  /** Signed in a way that is not understood here, so that it can be called neither secure nor insecure. */
  | 'unprovable';

export interface Resolver {
  /**
   * Asks one question and follows CNAMEs. Whatever the network does is a value; throws `DnsError` `wrong-name`, and the
   * signal's reason.
   */
  resolve<T extends RecordType>(name: string, type: T, signal?: AbortSignal): Promise<Answer<T>>;
}

export type Failed = Extract<Answer, { kind: 'failed' }>;

export function failed(reason: FailureReason): Failed {
  return { kind: 'failed', reason };
}
