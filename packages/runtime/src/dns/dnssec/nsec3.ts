import { hash } from 'node:crypto';
import { type ResourceRecord, viewOf } from '../message.ts';
import { labelsOf, type Name, nameToWire, suffix } from '../name.ts';
import { types } from '../types.ts';
import { type Denial, type Denied, isCut, isDenied, type Nearer, readBitmap } from './bitmap.ts';

/** RFC 5155 section 3: a span between two hashes, in base32hex, whose order is that of the octets. */
export interface HashedSpan {
  readonly owner: string;
  readonly next: string;
  readonly optOut: boolean;
  readonly iterations: number;
  readonly salt: Uint8Array;
  readonly present: ReadonlySet<number>;
}

/** `undefined` for one of another zone or of a hash that is not known. */
export function readHashedSpan({ name, data }: ResourceRecord, zone: Name): HashedSpan | undefined {
  const [owner = '', ...above] = labelsOf(name);
  const [algorithm, flags = 0] = data;
  if (data.length < 6 || algorithm !== sha1 || `${above.join('.')}.` !== zone) return undefined;
  const saltEnd = 5 + (data[4] ?? 0);
  const hashEnd = saltEnd + 1 + (data[saltEnd] ?? 0);
  const present = readBitmap(data.subarray(hashEnd));
  if (hashEnd > data.length || present === undefined || data[saltEnd] !== 20) return undefined;
  return {
    owner,
    next: base32hex(data.subarray(saltEnd + 1, hashEnd)),
    optOut: (flags & 1) !== 0,
    iterations: viewOf(data).getUint16(2),
    salt: data.subarray(5, saltEnd),
    present,
  };
}

/** RFC 5155 sections 8.4 to 8.7. */
export function denyByHash(denied: Denied, given: readonly HashedSpan[]): Denial {
  const spans = usable(given);
  if (spans === 'unprovable') return { kind: 'unprovable' };
  const { name, zone, type } = denied;
  const own = matching(name, spans);
  if (own !== undefined)
    return isDenied(denied, own.present) ? { kind: 'nodata', present: own.present } : unproven;
  const encloser = closestEncloser(name, zone, spans);
  const around =
    encloser === undefined ? undefined : covering(suffix(name, labelsOf(encloser).length + 1), spans);
  if (around === undefined) return unproven;
  if (around.optOut) return { kind: 'opt-out' };
  if (type === types.DS) return { kind: 'absent' };
  const wildcard = `*.${encloser}`;
  const there = matching(wildcard, spans);
  if (there !== undefined)
    return isDenied(denied, there.present) ? { kind: 'nodata', present: there.present } : unproven;
  return covering(wildcard, spans) === undefined ? unproven : { kind: 'absent' };
}

/** As `Nearer` says (RFC 5155 section 8.8). */
export function nearerByHash(name: Name, encloser: Name, given: readonly HashedSpan[]): Nearer {
  const spans = usable(given);
  if (spans === 'unprovable') return 'unproven';
  const around = covering(suffix(name, labelsOf(encloser).length + 1), spans);
  return around === undefined ? 'unproven' : around.optOut ? 'opt-out' : 'nothing';
}

/** RFC 9276 section 3.2: what hashes more often than this is not followed. */
const mostIterations = 100;
const sha1 = 1;

function usable(spans: readonly HashedSpan[]): readonly HashedSpan[] | 'unprovable' {
  const [first] = spans;
  if (first === undefined) return spans;
  if (spans.some(({ iterations }) => iterations > mostIterations)) return 'unprovable';
  // One chain, so that each name is hashed in one way.
  return spans.filter(
    ({ iterations, salt }) => iterations === first.iterations && Buffer.compare(salt, first.salt) === 0,
  );
}

function closestEncloser(name: Name, zone: Name, spans: readonly HashedSpan[]): Name | undefined {
  const least = labelsOf(zone).length;
  for (let count = labelsOf(name).length - 1; count >= least; count -= 1) {
    const found = matching(suffix(name, count), spans);
    if (found === undefined) continue;
    return isCut(found.present) ? undefined : suffix(name, count);
  }
  return undefined;
}

function matching(name: Name, spans: readonly HashedSpan[]): HashedSpan | undefined {
  return spans.find((span) => span.owner === hashed(name, span));
}

function covering(name: Name, spans: readonly HashedSpan[]): HashedSpan | undefined {
  return spans.find((span) => {
    const { owner, next } = span;
    const at = hashed(name, span);
    return owner < next ? owner < at && at < next : at > owner || at < next;
  });
}

function hashed(name: Name, { iterations, salt }: HashedSpan): string {
  let digest = hash('sha1', Buffer.concat([nameToWire(name), salt]), 'buffer');
  for (let left = iterations; left > 0; left -= 1)
    digest = hash('sha1', Buffer.concat([digest, salt]), 'buffer');
  return base32hex(digest);
}

/** RFC 4648 section 7, in lower case; of 20 octets, so without padding. */
function base32hex(octets: Uint8Array): string {
  const bits = Array.from(octets, (octet) => octet.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((five) => Number.parseInt(five, 2).toString(32)).join('');
}

const unproven: Denial = { kind: 'unproven' };
