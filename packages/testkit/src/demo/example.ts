import type { Piece } from '../knowledge/evidence.ts';
import { cast, facts } from '../knowledge/example.ts';
import { createJudge } from '../knowledge/judge.ts';
import type { Outcome } from './run.ts';

const way = (hops: readonly string[], heldMs: readonly number[]) => {
  return { path: { hops, delaysMs: [1, 2, 3] }, transfers: [], heldMs };
};

/** What came of a demo that never ran, for tests of how it is shown: everything went well, and these were searched. */
export const outcomeOf = (pieces: readonly Piece[]): Outcome => ({
  author: 'alice@a.test',
  recipient: '"<b&b>"@b.test',
  delivered: true,
  intact: true,
  ways: [
    way(['mix1.test', 'mix3.test', 'mix5.test'], [110, 220, 330]),
    way(['mix1.test', 'mix4.test', 'mix5.test'], [5, 6, 7]),
  ],
  layers: [['mix1.test', 'mix2.test'], ['mix3.test', 'mix4.test'], ['mix5.test']],
  gateway: 'gate.b.test',
  packetBytes: 32_768,
  wireSizes: [45_832],
  elapsedMs: 1_234,
  knowledge: createJudge({ cast, facts, published: [] })(pieces),
  deliveredPath: '',
  openedPath: '',
});
