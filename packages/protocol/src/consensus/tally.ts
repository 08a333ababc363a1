import { encodeJson } from '../codec/json.ts';
import { sha256 } from '../primitives/index.ts';
import type { ConsensusGeometry, Listed, Reveal, Vote, Width } from './documents.ts';
import { compareText } from './shape.ts';

/** What most votes say (spec agreement 5). */
export interface Tally {
  readonly previous: string;
  readonly epochSeconds: number;
  readonly geometry: ConsensusGeometry;
  readonly meanDelayMs: number;
  readonly width: Width;
  /** Those that more than half of the votes name, one of a node at most, ascending by id. */
  readonly descriptors: readonly Listed[];
  /** Ids that more than half of the votes revoke, ascending. */
  readonly revoked: readonly string[];
}

/** Counts votes, one of each authority, whatever their order. Throws a `RangeError` for none. */
export function tally(votes: readonly Vote[]): Tally {
  if (votes.length === 0) throw new RangeError('no votes to count');
  const most = <T>(of: (vote: Vote) => T): T => commonest(votes.map(of));
  const majority = (ids: Iterable<string>): Set<string> => {
    const counts = new Map<string, number>();
    for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
    return new Set([...counts].flatMap(([id, count]) => (count * 2 > votes.length ? [id] : [])));
  };
  const keyOf = ({ id, digest }: Listed): string => `${id} ${digest}`;
  const named = votes.flatMap(({ descriptors }) => descriptors);
  const wanted = majority(named.map(keyOf));
  const descriptors = new Map(
    named.flatMap((one) => (wanted.has(keyOf(one)) ? [[one.id, one] as const] : [])),
  );
  return {
    previous: most(({ previous }) => previous),
    epochSeconds: most((vote) => vote.epochSeconds),
    geometry: most(({ geometry }) => geometry),
    meanDelayMs: most(({ meanDelayMs }) => meanDelayMs),
    width: most(({ width }) => width),
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

/** The value that most have; of several with as many the one whose JSON sorts first. */
function commonest<T>(values: readonly T[]): T {
  const counts = new Map<string, { value: T; count: number }>();
  for (const value of values) {
    const key = encodeJson(value as Parameters<typeof encodeJson>[0]);
    const known = counts.get(key);
    counts.set(key, { value, count: (known?.count ?? 0) + 1 });
  }
  const [first] = [...counts].sort(([a, one], [b, other]) => other.count - one.count || compareText(a, b));
  return (first as [string, { value: T }])[1].value;
}
