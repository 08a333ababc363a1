import { expect, test } from 'vitest';
import { defaultGeometry } from '../packet/index.ts';
import type { Listed, Vote } from './documents.ts';
import { writeGeometry } from './geometry.ts';
import { tally } from './tally.ts';

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

const countedIn = (...lists: readonly (readonly Listed[])[]): readonly Listed[] =>
  tally(lists.map((list, at) => vote(at, list))).descriptors;

test.each<[string, readonly Listed[], readonly (readonly Listed[])[]]>([
  ['that more than half name counts', [one, two], [[one, two], [two, one], [two]]],
  ['that half name does not', [two], [[one, two], [one, two], [two], [two]]],
  ['that one names of a node that all name does not, however new it is', [one], [[one], [one], [newer]]],
  ['is none where no two say the same of a node', [], [[one], [newer]]],
  ['of a vote that stands alone counts', [one], [[one]]],
])('a descriptor %s', (_, expected, lists) => {
  expect(countedIn(...lists)).toEqual(expected);
  expect(countedIn(...lists.toReversed())).toEqual(expected);
});

test('what most say of everything else counts, and of several with as many the first by its JSON', () => {
  const said = (meanDelayMs: number, revoked: readonly string[]) =>
    vote(meanDelayMs, [], { meanDelayMs, revoked });
  const { meanDelayMs, revoked } = tally([said(200, ['x']), said(100, ['x', 'y']), said(300, [])]);
  expect([meanDelayMs, revoked]).toEqual([100, ['x']]);
});
