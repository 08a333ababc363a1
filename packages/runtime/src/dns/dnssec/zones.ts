import type { Clock } from '../../clock.ts';
import type { FailureReason } from '../answer.ts';
import type { Message, ResourceRecord } from '../message.ts';
import { isAtOrBelow, labelsOf, type Name, root, suffix } from '../name.ts';
import { isAnswer, recordsAt } from '../read.ts';
import { types } from '../types.ts';
import { deny } from './denial.ts';
import { type Delegation, isDelegatedTo, isUnderstood, readDelegation, readZoneKey } from './keys.ts';
import { type Budget, type Judged, judge, type Zone } from './signature.ts';

/** Where a name lies: in a zone whose keys are proven, or below a delegation that is proven to be unsigned. */
export type Place =
  | { readonly kind: 'signed'; readonly zone: Zone; readonly ttlSeconds: number }
  | { readonly kind: 'unsigned'; readonly ttlSeconds: number }
  | { readonly kind: 'failed'; readonly reason: FailureReason };

/** One question's means. */
export interface Inquiry {
  readonly budget: Budget;
  /** Everything there is, not validated by anyone. */
  ask(name: Name, type: number): Promise<Message | FailureReason>;
}

/** Walks down from the root to the zone of a name (RFC 4035 section 5). */
export interface Zones {
  placeOf(name: Name, inquiry: Inquiry): Promise<Place>;
}

export function createZones(anchors: readonly Delegation[], clock: Clock): Zones {
  /** Cuts, and that there is none, by name: the upper ones are on every way. */
  const known = new Map<Name, { readonly place: Place; readonly until: number }>();

  const remembered = async (name: Name, find: () => Promise<Place>): Promise<Place> => {
    const before = known.get(name);
    if (before !== undefined && clock.now() < before.until) return before.place;
    const place = await find();
    if (place.kind === 'failed') return place;
    if (known.size >= mostRemembered) known.clear();
    known.set(name, { place, until: clock.now() + Math.min(place.ttlSeconds, longestMemory) * 1000 });
    return place;
  };

  return {
    async placeOf(name, inquiry) {
      let place = await remembered(root, () => enter(root, anchors, longestMemory, { ...inquiry, clock }));
      for (let count = 1; count <= labelsOf(name).length && place.kind === 'signed'; count += 1) {
        const { zone } = place;
        const child = suffix(name, count);
        place = await remembered(child, () => descend(child, zone, { ...inquiry, clock }));
      }
      return place;
    },
  };
}

interface Means extends Inquiry {
  readonly clock: Clock;
}

const mostRemembered = 1_000;
const longestMemory = 3_600;

/** From a zone to a name one label below something in it: into another zone if there is a cut. */
async function descend(child: Name, zone: Zone, means: Means): Promise<Place> {
  const message = await means.ask(child, types.DS);
  if (typeof message === 'string') return { kind: 'failed', reason: message };
  if (!isAnswer(message)) return { kind: 'failed', reason: 'servfail' };
  const ds = recordsAt(message.answer, child, types.DS);
  if (ds.length > 0) {
    const judged = check(ds, message.answer, zone, means);
    if (judged.kind !== 'valid') return { kind: 'failed', reason: judged.kind };
    if (judged.wildcardAt !== undefined) return { kind: 'failed', reason: 'bogus' };
    return enter(
      child,
      ds.flatMap(({ data }) => readDelegation(data) ?? []),
      judged.ttlSeconds,
      means,
    );
  }
  const alias = recordsAt(message.answer, child, types.CNAME);
  if (alias.length > 0) {
    // Where a CNAME lies, no zone begins (RFC 1034 section 3.6.2).
    const judged = check(alias, message.answer, zone, means);
    return judged.kind === 'valid'
      ? { kind: 'signed', zone, ttlSeconds: judged.ttlSeconds }
      : { kind: 'failed', reason: judged.kind };
  }
  const { proofs, ttlSeconds } = provenBy(message.authority, zone, means);
  const denial = deny({ name: child, type: types.DS, zone: zone.name }, proofs);
  switch (denial.kind) {
    case 'nodata':
      return denial.present.has(types.NS)
        ? { kind: 'unsigned', ttlSeconds }
        : { kind: 'signed', zone, ttlSeconds };
    case 'absent':
      return { kind: 'signed', zone, ttlSeconds };
    case 'opt-out':
      return { kind: 'unsigned', ttlSeconds };
    case 'unprovable':
      return { kind: 'failed', reason: 'unprovable' };
    case 'unproven':
      return { kind: 'failed', reason: means.budget.verifications > 0 ? 'bogus' : 'unprovable' };
  }
}

/** Into a zone whose key signing keys are vouched for: all keys that these sign. */
async function enter(
  name: Name,
  delegations: readonly Delegation[],
  ttlSeconds: number,
  means: Means,
): Promise<Place> {
  const understood = delegations.filter(isUnderstood);
  // RFC 4035 section 5.2 calls such a zone insecure. Whoever can choose what is understood would then choose to be unsigned.
  if (understood.length === 0) return { kind: 'failed', reason: 'unprovable' };
  const message = await means.ask(name, types.DNSKEY);
  if (typeof message === 'string') return { kind: 'failed', reason: message };
  if (!isAnswer(message)) return { kind: 'failed', reason: 'servfail' };
  const records = recordsAt(message.answer, name, types.DNSKEY);
  const keys = records.slice(0, mostKeys).flatMap(({ data }) => readZoneKey(data) ?? []);
  const vouched = keys.filter((key) => understood.some((ds) => isDelegatedTo(name, key, ds)));
  const judged = check(records, message.answer, { name, keys: vouched }, means);
  if (judged.kind !== 'valid') return { kind: 'failed', reason: judged.kind };
  return {
    kind: 'signed',
    zone: { name, keys },
    ttlSeconds: Math.min(ttlSeconds, judged.ttlSeconds),
  };
}

const mostKeys = 32;

export function check(
  records: readonly ResourceRecord[],
  beside: readonly ResourceRecord[],
  zone: Zone,
  { clock, budget }: Pick<Means, 'clock' | 'budget'>,
): Judged {
  return judge(records, beside, zone, { now: Math.floor(clock.now() / 1000), budget });
}

/** The NSEC and NSEC3 records of a section whose signatures hold, each a set of one. */
export function provenBy(
  section: readonly ResourceRecord[],
  zone: Zone,
  means: Pick<Means, 'clock' | 'budget'>,
): { readonly proofs: readonly ResourceRecord[]; readonly ttlSeconds: number } {
  const ttls: number[] = [];
  const proofs = section.filter((record) => {
    if ((record.type !== types.NSEC && record.type !== types.NSEC3) || !isAtOrBelow(record.name, zone.name))
      return false;
    const judged = check([record], section, zone, means);
    if (judged.kind !== 'valid' || judged.wildcardAt !== undefined) return false;
    ttls.push(judged.ttlSeconds);
    return true;
  });
  return { proofs, ttlSeconds: Math.min(...ttls, longestMemory) };
}
