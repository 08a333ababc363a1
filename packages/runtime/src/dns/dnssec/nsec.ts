import type { ResourceRecord } from '../message.ts';
import { compareNames, isAtOrBelow, labelsOf, type Name, readName, suffix } from '../name.ts';
import { types } from '../types.ts';
import { type Denial, type Denied, isCut, isDenied, type Nearer, readBitmap } from './bitmap.ts';

/** RFC 4034 section 4. */
export interface Span {
  readonly owner: Name;
  readonly next: Name;
  readonly present: ReadonlySet<number>;
}

export function readSpan({ name, data }: ResourceRecord): Span | undefined {
  const next = readName(data, 0);
  const present = next && readBitmap(data.subarray(next.next));
  return next && present && { owner: name, next: next.name, present };
}

/** RFC 4035 section 5.4. */
export function denyByName(denied: Denied, spans: readonly Span[]): Denial {
  const { name } = denied;
  const own = spans.find(({ owner }) => owner === name);
  if (own !== undefined)
    return isDenied(denied, own.present) ? { kind: 'nodata', present: own.present } : unproven;
  const around = covering(name, spans);
  if (around === undefined) return unproven;
  // Something lies below it: the name is there, and empty (RFC 8020).
  if (isAtOrBelow(around.next, name)) return { kind: 'nodata', present: new Set() };
  // No delegation is made from a wildcard (RFC 4592 section 4.2).
  if (denied.type === types.DS) return { kind: 'absent' };
  const wildcard = `*.${closestEncloser(name, around)}`.replace(/^\*\.\.$/, '*.');
  const there = spans.find(({ owner }) => owner === wildcard);
  if (there !== undefined)
    return isDenied(denied, there.present) ? { kind: 'nodata', present: there.present } : unproven;
  return covering(wildcard, spans) === undefined ? unproven : { kind: 'absent' };
}

/** As `Nearer` says (RFC 4035 section 5.3.4). */
export function nearerByName(name: Name, encloser: Name, spans: readonly Span[]): Nearer {
  const around = covering(name, spans);
  return around !== undefined && !isAtOrBelow(around.next, name) && closestEncloser(name, around) === encloser
    ? 'nothing'
    : 'unproven';
}

/** The span that a name falls into. A parent's span at a delegation says nothing of what lies below (RFC 6840 section 4.1). */
function covering(name: Name, spans: readonly Span[]): Span | undefined {
  return spans.find(({ owner, next, present }) => {
    if (isCut(present) && isAtOrBelow(name, owner)) return false;
    const last = compareNames(next, owner) <= 0;
    return compareNames(owner, name) < 0 && (last || compareNames(name, next) < 0);
  });
}

/** The longest ancestor that is known to be there: it is shared with one end of the span. */
function closestEncloser(name: Name, { owner, next }: Span): Name {
  const shared = [owner, next].map((end) => {
    const [own, other] = [labelsOf(name).reverse(), labelsOf(end).reverse()];
    const differs = own.findIndex((label, at) => label !== other[at]);
    return differs === -1 ? own.length : differs;
  });
  return suffix(name, Math.max(...shared));
}

const unproven: Denial = { kind: 'unproven' };
