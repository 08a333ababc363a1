import { commitTo, type Vote, writeGeometry } from '@postern/protocol/consensus';
import { emptyRange, headOf } from '@postern/protocol/log';
import { defaultGeometry } from '@postern/protocol/packet';
import { expect, test } from 'vitest';
import { epochSeconds } from '../testing/clock.ts';
import { type Agreed, agree, type Standpoint, wantedBy } from './agree.ts';
import type { Standing } from './rounds.ts';

const epoch = 1_000;
const standpoint: Standpoint = {
  epoch,
  epochSeconds,
  members: 5,
  threshold: 3,
  latest: undefined,
  log: headOf(emptyRange),
  open: undefined,
  earlier: [],
  body: () => undefined,
};
const known = { id: '1'.repeat(64), digest: 'a'.repeat(64) };
const made = { id: '2'.repeat(64), digest: 'b'.repeat(64) };

/** Votes of the first of five authorities. */
function votesOf(...changes: readonly Partial<Vote>[]): ReadonlyMap<string, Standing<Vote>> {
  return new Map(
    changes.map((change, at): [string, Standing<Vote>] => {
      const value: Vote = {
        version: 1,
        epoch,
        slot: 0,
        authority: `authority${at + 1}.test`,
        previous: '',
        signed: '',
        epochSeconds,
        geometry: writeGeometry(defaultGeometry),
        meanDelayMs: 200,
        width: { least: 10, most: 100, perMix: 1_000 },
        descriptors: [known],
        revoked: [],
        commit: commitTo('00'.repeat(32)),
        ...change,
      };
      return [value.authority, { value, digest: `${at}`.repeat(64), signed: '' }];
    }),
  );
}

test('two of five that lie, and are most of the three that vote, dictate nothing', () => {
  const lie = { descriptors: [known, made] };
  const votes = votesOf(lie, lie, {});
  expect(wantedBy(votes, standpoint)).toEqual([{ ...known, from: [...votes.keys()] }]);
  const agreedOn = (of: typeof votes): Agreed => agree({ votes: of, reveals: new Map() }, standpoint);
  expect(agreedOn(votes)).toEqual({ kind: 'held-up', holdup: { kind: 'missing-descriptors', missing: 1 } });
  const divided = votesOf({ ...lie, meanDelayMs: 1 }, { ...lie, meanDelayMs: 1 }, {});
  expect(agreedOn(divided)).toEqual({
    kind: 'held-up',
    holdup: { kind: 'divided', over: 'meanDelayMs', wanted: 3 },
  });
  expect(wantedBy(divided, standpoint)).toEqual([]);
  expect(wantedBy(votesOf({}, {}), standpoint)).toEqual([]);
});
