import { expect, test } from 'vitest';
import type { Transfer } from '../adversary/smtp-wire.ts';
import { matchTransfers } from './match.ts';

const transfer = (from: string, to: string, startedMs: number): Transfer => ({
  from,
  to,
  startedMs,
  endedMs: startedMs + 2,
  bytes: 46_000,
});

test('tells packets on one wire apart by their delays', () => {
  const quick = { hops: ['m1', 'm2', 'm3'], delaysMs: [10, 20, 30] };
  const slow = { hops: ['m1', 'm2', 'm3'], delaysMs: [500, 10, 10] };
  const seen = [
    transfer('a', 'm1', 0),
    transfer('a', 'm1', 5),
    transfer('m1', 'm2', 18),
    transfer('m2', 'm3', 41),
    transfer('m3', 'g', 75),
    transfer('m1', 'm2', 503),
    transfer('m2', 'm3', 516),
    transfer('m3', 'g', 529),
  ];
  const ways = matchTransfers([slow, quick], seen, { from: 'a', to: 'g' });
  expect(ways.map(({ transfers }) => transfers.map(({ startedMs }) => startedMs))).toEqual([
    [0, 503, 516, 529],
    [5, 18, 41, 75],
  ]);
  expect(ways[1]?.heldMs).toEqual([11, 21, 32]);
});

test('says nothing when a transfer is missing', () => {
  const path = { hops: ['m1', 'm2', 'm3'], delaysMs: [1, 1, 1] };
  expect(matchTransfers([path], [transfer('a', 'm1', 0)], { from: 'a', to: 'g' })).toEqual([]);
});
