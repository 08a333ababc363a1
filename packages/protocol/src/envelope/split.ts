import { equalBytes } from '../codec/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { maxSealedBytes } from '../sealed/limits.ts';
import { type Fragment, mostFragments, placeOf } from './fragment.ts';

export interface SplitOptions {
  readonly recipient: string;
  /** 16 bytes by chance. */
  readonly setId: Uint8Array;
  /** Unix seconds, a whole hour. */
  readonly expires: number;
  /** Bytes of data that fit into one fragment: `fragmentCapacity`. */
  readonly capacity: number;
  readonly returnInfo?: Uint8Array;
  readonly attestation?: Uint8Array;
}

// spec envelope 3.1
/**
 * As few fragments as hold the sealed message, of nearly equal length; their data are views into it. All are needed (k = n). Throws
 * `ProtocolError` `too-large`.
 */
export function split(sealed: Uint8Array, options: SplitOptions): Fragment[] {
  const { recipient, setId, expires, capacity, returnInfo, attestation } = options;
  const count = Math.ceil(sealed.length / capacity);
  if (sealed.length > maxSealedBytes || count > mostFragments)
    throw new ProtocolError(
      'too-large',
      `a sealed message of ${sealed.length} bytes is too large to be sent`,
      {
        hint: 'Send less at once: 25 MB is the most.',
      },
    );
  if (sealed.length === 0 || !(capacity >= 1))
    throw new ProtocolError('wrong-fragment', 'nothing can be split into fragments of no data');
  return Array.from({ length: count }, (_, index): Fragment => {
    const { start, length } = placeOf(index, count, sealed.length);
    return {
      recipient,
      setId,
      index,
      k: count,
      n: count,
      totalBytes: sealed.length,
      expires,
      returnInfo: returnInfo ?? new Uint8Array(),
      attestation: attestation ?? new Uint8Array(),
      data: sealed.subarray(start, start + length),
    };
  });
}

export type Joined =
  | { readonly kind: 'joined'; readonly sealed: Uint8Array }
  | { readonly kind: 'incomplete'; readonly have: number; readonly need: number }
  | { readonly kind: 'refused'; readonly reason: JoinRefusedReason };

export type JoinRefusedReason =
  /** They do not all say the same of the message, or are of different sets. */
  | 'different-sets'
  /** Two claim one place and differ. */
  | 'conflicting'
  /** The data are not as long as the place of the fragment makes them. */
  | 'wrong-length'
  | 'too-large'
  /** k is not n: a code that no version of this format defines yet. */
  | 'unknown-code';

// spec envelope 3.2
/** The sealed message from the fragments of one set, in any order; the same one twice does no harm. */
export function join(fragments: readonly Fragment[]): Joined {
  const [first] = fragments;
  if (first === undefined) return { kind: 'incomplete', have: 0, need: 1 };
  if (first.k !== first.n) return { kind: 'refused', reason: 'unknown-code' };
  if (first.totalBytes > maxSealedBytes) return { kind: 'refused', reason: 'too-large' };
  const places = new Map<number, Fragment>();
  for (const fragment of fragments) {
    if (!sameSet(first, fragment)) return { kind: 'refused', reason: 'different-sets' };
    const before = places.get(fragment.index);
    if (before !== undefined && !sameFragment(before, fragment))
      return { kind: 'refused', reason: 'conflicting' };
    if (!fits(fragment)) return { kind: 'refused', reason: 'wrong-length' };
    places.set(fragment.index, fragment);
  }
  if (places.size < first.k) return { kind: 'incomplete', have: places.size, need: first.k };
  const sealed = new Uint8Array(first.totalBytes);
  for (const { index, k, totalBytes, data } of places.values())
    sealed.set(data, placeOf(index, k, totalBytes).start);
  return { kind: 'joined', sealed };
}

function sameSet(a: Fragment, b: Fragment): boolean {
  return (
    equalBytes(a.setId, b.setId) &&
    a.recipient === b.recipient &&
    a.k === b.k &&
    a.n === b.n &&
    a.totalBytes === b.totalBytes &&
    a.expires === b.expires
  );
}

/** Of one set and place already. */
function sameFragment(a: Fragment, b: Fragment): boolean {
  return (
    equalBytes(a.data, b.data) &&
    equalBytes(a.returnInfo, b.returnInfo) &&
    equalBytes(a.attestation, b.attestation)
  );
}

function fits({ index, k, n, totalBytes, data }: Fragment): boolean {
  return index < n && data.length === placeOf(index, k, totalBytes).length;
}
