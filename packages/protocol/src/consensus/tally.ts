import { encodeJson } from '../codec/json.ts';
import { sha256 } from '../primitives/index.ts';
import type { ConsensusGeometry, Listed, Reveal, Vote, Width } from './documents.ts';
import { compareText } from './shape.ts';

/** What votes come to; `divided` when too few of them say the same of something that a consensus has one of. */
export type Tally =
  | ({ readonly kind: 'counted' } & CountedVotes)
  | { readonly kind: 'divided'; readonly over: Scalar; readonly wanted: number };

/** A member of a vote of which a consensus has one. */
export type Scalar = 'previous' | 'epochSeconds' | 'geometry' | 'meanDelayMs' | 'width';

/** What most votes say (spec agreement 5). */
export interface CountedVotes {
  readonly previous: string;
  readonly epochSeconds: number;
  readonly geometry: ConsensusGeometry;
  readonly meanDelayMs: number;
  readonly width: Width;
  /** Those that enough votes name, one of a node at most, ascending by id. */
  readonly descriptors: readonly Listed[];
  /** Ids that enough votes revoke, ascending. */
  readonly revoked: readonly string[];
}

/** Of how many authorities votes are counted, and how many of these have to sign what comes of it. */
export interface Voters {
  readonly members: number;
  readonly threshold: number;
}

/**
 * Counts votes, one of each authority, whatever their order. What counts is said by more than may be faulty while as many as have to sign are
 * not, so that one that is correct says it. Throws a `RangeError` for no votes.
 */
export function tally(votes: readonly Vote[], { members, threshold }: Voters): Tally {
  if (votes.length === 0) throw new RangeError('no votes to count');
  const wanted = members - threshold + 1;
  const shared = commonestOf(votes, wanted);
  if (typeof shared === 'string') return { kind: 'divided', over: shared, wanted };
  const least = Math.max(wanted, Math.floor(votes.length / 2) + 1);
  const majority = (ids: Iterable<string>): Set<string> => {
    const counts = new Map<string, number>();
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    return new Set([...counts].flatMap(([id, count]) => (count >= least ? [id] : [])));
  };
  const keyOf = ({ id, digest }: Listed): string => `${id} ${digest}`;
  const named = votes.flatMap(({ descriptors }) => descriptors);
  const counting = majority(named.map(keyOf));
  const descriptors = new Map(
    named.flatMap((one) => (counting.has(keyOf(one)) ? [[one.id, one] as const] : [])),
  );
  return {
    kind: 'counted',
    ...shared,
    descriptors: [...descriptors.values()].sort((a, b) => compareText(a.id, b.id)),
    revoked: [...majority(votes.flatMap(({ revoked }) => revoked))].sort(compareText),
  };
}

/** The value that no authority knew before all had committed themselves: 32 bytes from what they have revealed (spec agreement 4). */
export function sharedValue(
  epoch: number,
  previous: string,
  reveals: readonly Pick<Reveal, 'authority' | 'value'>[],
): Uint8Array {
  const values = reveals
    .map(({ authority, value }) => ({ authority, value }))
    .sort((a, b) => compareText(a.authority, b.authority));
  const text = `postern.shared/v1\n${encodeJson({ epoch, previous, values })}\n`;
  return sha256(new TextEncoder().encode(text));
}

/** What most votes say of each; the first of which fewer than `wanted` say the same. */
function commonestOf(votes: readonly Vote[], wanted: number): Pick<CountedVotes, Scalar> | Scalar {
  const most = <T>(of: (vote: Vote) => T): { readonly value: T; readonly count: number } =>
    commonest(votes.map(of));
  const all = {
    previous: most(({ previous }) => previous),
    epochSeconds: most(({ epochSeconds }) => epochSeconds),
    geometry: most(({ geometry }) => geometry),
    meanDelayMs: most(({ meanDelayMs }) => meanDelayMs),
    width: most(({ width }) => width),
  };
  const over = (Object.keys(all) as Scalar[]).find((name) => all[name].count < wanted);
  if (over !== undefined) return over;
  return {
    previous: all.previous.value,
    epochSeconds: all.epochSeconds.value,
    geometry: all.geometry.value,
    meanDelayMs: all.meanDelayMs.value,
    width: all.width.value,
  };
}

/** The value that most have, and how many; of several with as many the one whose JSON sorts first. */
function commonest<T>(values: readonly T[]): { readonly value: T; readonly count: number } {
  const counts = new Map<string, { value: T; count: number }>();
  for (const value of values) {
    const key = encodeJson(value as Parameters<typeof encodeJson>[0]);
    const known = counts.get(key);
    counts.set(key, { value, count: (known?.count ?? 0) + 1 });
  }
  const [first] = [...counts].sort(([a, one], [b, other]) => other.count - one.count || compareText(a, b));
  return (first as [string, { value: T; count: number }])[1];
}
