import { expect, test, vi } from 'vitest';
import type { Kept } from '../store.ts';
import { createRecords, type RecordSources } from './record.ts';

test('a record is put together once, until something is added', () => {
  const said: Kept[] = [];
  const kept = vi.fn<RecordSources['store']['kept']>((epoch) => said.filter((one) => one.epoch === epoch));
  const record = createRecords({
    store: {
      kept,
      countKept: (epoch) => said.filter((one) => one.epoch === epoch).length,
      signedFor: () => undefined,
      issued: () => undefined,
      latest: () => undefined,
    },
    signatures: { all: () => [] },
  });
  expect(record(7)).toBeUndefined();
  said.push({ epoch: 7, part: 'vote', authority: 'a.test', digest: 'one', signed: 'a vote' });
  for (let times = 0; times < 3; times++)
    expect(record(7)).toBe('{"epoch":7,"votes":["a vote"],"reveals":[],"documents":[]}');
  expect(kept).toHaveBeenCalledTimes(2);
  for (const epoch of [8, 9, 7]) record(epoch);
  expect(kept).toHaveBeenCalledTimes(5);
});
