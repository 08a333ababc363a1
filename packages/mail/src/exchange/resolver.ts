import type { Tlsa } from '../sender/policy.ts';

/** An answer of DNS. `secure`: validated by DNSSEC, the denial in `none` as well. */
export type Resolution<T> =
  | { readonly kind: 'found'; readonly secure: boolean; readonly records: readonly T[] }
  /** There is no such record, or no such name. */
  | { readonly kind: 'none'; readonly secure: boolean }
  /** No answer, or one that is forged. */
  | { readonly kind: 'failed'; readonly reason: string };

/** A validating resolver. Names are without the dot at the end. */
export interface ExchangeResolver {
  resolve(name: string, type: 'MX'): Promise<Resolution<Mx>>;
  resolve(name: string, type: 'TLSA'): Promise<Resolution<Tlsa>>;
  /** The strings of a record joined to one. */
  resolve(name: string, type: 'TXT'): Promise<Resolution<string>>;
  /** What the records are does not matter here, only whether they are secure. */
  resolve(name: string, type: 'A'): Promise<Resolution<unknown>>;
}

export interface Mx {
  readonly preference: number;
  /** With a dot at its end or without; the root is the null MX (RFC 7505). */
  readonly exchange: string;
}
