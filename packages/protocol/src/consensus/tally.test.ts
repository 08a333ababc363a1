import { describe, expect, test } from 'vitest';
import { defaultGeometry } from '../packet/index.ts';
import type { Listed, Vote } from './documents.ts';
import { writeGeometry } from './geometry.ts';
import { type Tally, tally } from './tally.ts';

const hex = (digit: string): string => digit.repeat(64);
const one: Listed = { id: hex('1'), digest: hex('a') };
const newer: Listed = { id: hex('1'), digest: hex('b') };
const two: Listed = { id: hex('2'), digest: hex('c') };

function vote(at: number, descriptors: readonly Listed[], change: Partial<Vote> = {}): Vote {
  return {
    version: 1,
    epoch: 7,
    slot: 0,
    authority: `authority${at}.test`,
    previous: '',
    signed: '',
    epochSeconds: 60,
    geometry: writeGeometry(defaultGeometry),
    meanDelayMs: 200,
    width: { least: 10, most: 100, perMix: 1_000 },
    descriptors,
    revoked: [],
    commit: hex('0'),
    ...change,
  };
}

/** Votes of authorities of which so many there are, and so many sign. */
type Cast = readonly [members: number, threshold: number, ...lists: readonly (readonly Listed[])[]];

const countOf = (votes: readonly Vote[], [members, threshold]: readonly number[]): Tally =>
  tally(votes, { members: members ?? 0, threshold: threshold ?? 0 });

test.each<[string, readonly Listed[], Cast]>([
  ['that more than half name counts', [one, two], [3, 2, [one, two], [two, one], [two]]],
  ['that half name does not', [two], [4, 3, [one, two], [one, two], [two], [two]]],
  [
    'that one names of a node that all name does not, however new it is',
    [one],
    [3, 2, [one], [one], [newer]],
  ],
  ['is none where no two say the same of a node', [], [2, 2, [one], [newer]]],
  ['of one authority alone counts', [one], [1, 1, [one]]],
  // two of five may lie while three sign, and be most of those that vote
  ['that as many name as may be faulty does not count', [two], [5, 3, [one, two], [one, two], [two]]],
  ['that one more than may be faulty names counts', [one], [5, 3, [one], [one], [one], []]],
  ['counts by more than half where all have to sign', [two], [4, 4, [one, two], [one, two], [two], []]],
])('a descriptor %s', (_, expected, [members, threshold, ...lists]) => {
  const votes = lists.map((list, at) => vote(at, list));
  for (const one of [votes, votes.toReversed()])
    expect(countOf(one, [members, threshold])).toMatchObject({ kind: 'counted', descriptors: expected });
});

test('an id is revoked by as many', () => {
  const revoking = (...lists: readonly (readonly string[])[]): Vote[] =>
    lists.map((revoked, at) => vote(at, [], { revoked }));
  const all = revoking(['x', 'y'], ['x', 'y'], ['x']);
  expect(countOf(all, [3, 2])).toMatchObject({ revoked: ['x', 'y'] });
  expect(countOf(all, [5, 3])).toMatchObject({ revoked: ['x'] });
});

describe('of everything else', () => {
  const said = (...delays: readonly number[]): Vote[] =>
    delays.map((meanDelayMs, at) => vote(at, [], { meanDelayMs }));

  test('what most say counts, and of several with as many the first by its JSON', () => {
    expect(countOf(said(200, 100, 200), [3, 2])).toMatchObject({ meanDelayMs: 200 });
    expect(countOf(said(200, 100, 300, 100, 200), [5, 4])).toMatchObject({ meanDelayMs: 100 });
  });

  test('nothing counts that no more say than may be faulty', () => {
    expect(countOf(said(999, 999, 200), [5, 3])).toEqual({ kind: 'divided', over: 'meanDelayMs', wanted: 3 });
    expect(countOf(said(200, 100), [3, 2])).toEqual({ kind: 'divided', over: 'meanDelayMs', wanted: 2 });
  });

  test.each<[string, Partial<Vote>]>([
    ['previous', { previous: hex('f') }],
    ['epochSeconds', { epochSeconds: 61 }],
    ['geometry', { geometry: { ...writeGeometry(defaultGeometry), hops: 4 } }],
    ['width', { width: { least: 11, most: 100, perMix: 1_000 } }],
  ])('that goes for %s', (over, change) => {
    const votes = [vote(0, [], change), vote(1, [], change), vote(2, [])];
    expect(countOf(votes, [5, 3])).toEqual({ kind: 'divided', over, wanted: 3 });
    expect(countOf(votes, [3, 2])).toMatchObject({ kind: 'counted', ...change });
  });
});
