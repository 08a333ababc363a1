import type { ResourceRecord } from '../message.ts';
import type { Name } from '../name.ts';
import { types } from '../types.ts';
import type { Denial, Denied, Nearer } from './bitmap.ts';
import { denyByName, nearerByName, readSpan, type Span } from './nsec.ts';
import { denyByHash, type HashedSpan, nearerByHash, readHashedSpan } from './nsec3.ts';

/** `proofs`: NSEC and NSEC3 records of the zone whose signatures hold. */
export function deny(denied: Denied, proofs: readonly ResourceRecord[]): Denial {
  const { spans, hashed } = read(proofs, denied.zone);
  return spans.length > 0 ? denyByName(denied, spans) : denyByHash(denied, hashed);
}

/** `encloser`: what the wildcard lies below. */
export function nearer(
  { name, zone }: Pick<Denied, 'name' | 'zone'>,
  encloser: Name,
  proofs: readonly ResourceRecord[],
): Nearer {
  const { spans, hashed } = read(proofs, zone);
  return spans.length > 0 ? nearerByName(name, encloser, spans) : nearerByHash(name, encloser, hashed);
}

function read(proofs: readonly ResourceRecord[], zone: Name): { spans: Span[]; hashed: HashedSpan[] } {
  const ofType = (type: number): readonly ResourceRecord[] => proofs.filter((proof) => proof.type === type);
  return {
    spans: ofType(types.NSEC).flatMap((proof) => readSpan(proof) ?? []),
    hashed: ofType(types.NSEC3).flatMap((proof) => readHashedSpan(proof, zone) ?? []),
  };
}
