import type { Name } from '../name.ts';
import { types } from '../types.ts';

/**
 * What signed records say of a name that has no record of a type:
 *
 * - `nodata`: the name is there, with records of the types `present` only
 * - `absent`: there is no such name, and no wildcard that would stand in for it
 * - `opt-out`: nobody says; there may be an unsigned delegation (RFC 5155 section 6)
 * - `unprovable`: hashed more often than is worth checking (RFC 9276)
 * - `unproven`: nothing that would prove it
 */
export type Denial =
  | { readonly kind: 'nodata'; readonly present: ReadonlySet<number> }
  | { readonly kind: 'absent' | 'opt-out' | 'unprovable' | 'unproven' };

/**
 * What lies between a name and the wildcard that answered for it: `nothing`, or with `opt-out` perhaps an unsigned delegation, so that the
 * answer is not secure (RFC 5155 section 9.2).
 */
export type Nearer = 'nothing' | 'opt-out' | 'unproven';

/** A name without records of a type, in a zone. */
export interface Denied {
  readonly name: Name;
  readonly type: number;
  readonly zone: Name;
}

/** Whether records of these types at a name leave no room for the one denied, nor for a CNAME in its place. */
export function isDenied({ type }: Denied, present: ReadonlySet<number>): boolean {
  if (present.has(type) || present.has(types.CNAME)) return false;
  // At a delegation the parent's word counts for DS and the child's for everything else (RFC 6840 section 4.1).
  return type === types.DS ? !present.has(types.SOA) : !isCut(present);
}

/** Whether what lies below a name is no matter of its zone: a delegation, or a DNAME. */
export function isCut(present: ReadonlySet<number>): boolean {
  return (present.has(types.NS) && !present.has(types.SOA)) || present.has(types.DNAME);
}

/** RFC 4034 section 4.1.2. */
export function readBitmap(data: Uint8Array): ReadonlySet<number> | undefined {
  const present = new Set<number>();
  for (let at = 0; at < data.length; ) {
    const [window = 0, length = 0] = data.subarray(at, at + 2);
    const block = data.subarray(at + 2, at + 2 + length);
    if (length < 1 || length > 32 || block.length < length) return undefined;
    for (const [octet, bits] of block.entries())
      for (let bit = 0; bit < 8; bit += 1)
        if ((bits & (0x80 >> bit)) !== 0) present.add(window * 256 + octet * 8 + bit);
    at += 2 + length;
  }
  return present;
}
