import { expect, test, vi } from 'vitest';
import type { Kept, KeptName } from '../store.ts';
import { readRecord, recordOf } from './record.ts';

test('a record is put together note by note, as somebody takes it', () => {
  const said: Kept[] = ['one', 'two'].map((digest) => ({
    epoch: 7,
    part: 'vote',
    authority: 'a.test',
    digest,
    signed: `"${digest}"\n`,
  }));
  const keptNote = vi.fn<(one: KeptName) => string>(
    ({ digest }) => said.find((one) => one.digest === digest)?.signed ?? '',
  );
  const issued = { epoch: 7, digest: 'three', signed: 'a consensus' };
  const sources = {
    store: {
      keptDigests: (epoch: number) => said.filter((one) => one.epoch === epoch),
      keptNote,
      signedFor: (epoch: number) => (epoch === 7 ? { epoch, digest: 'three', signed: '' } : undefined),
      issued: (epoch: number) => (epoch === 7 ? issued : undefined),
    },
    signatures: { all: () => [] },
  };
  expect(recordOf(sources, 8)).toBeUndefined();
  recordOf(sources, 7);
  expect(keptNote).not.toHaveBeenCalled();
  let taken = '';
  for (const piece of recordOf(sources, 7) ?? []) {
    const before = said.filter(({ signed }) => taken.includes(JSON.stringify(signed))).length;
    taken += piece;
    // none is read before all those before it have been taken
    expect(keptNote.mock.calls.length).toBeLessThanOrEqual(before + 1);
  }
  expect(keptNote).toHaveBeenCalledTimes(said.length);
  expect(JSON.parse(taken)).toEqual({
    epoch: 7,
    votes: ['"one"\n', '"two"\n'],
    reveals: [],
    documents: ['a consensus'],
  });
});

test('of one authority a record has the votes alone, beside the documents', () => {
  const said = (['a.test', 'b.test'] as const).flatMap((authority) =>
    (['vote', 'reveal', 'consensus'] as const).map(
      (part): KeptName => ({ epoch: 7, part, authority, digest: `${part} of ${authority}` }),
    ),
  );
  const keptNote = vi.fn<(one: KeptName) => string>(({ digest }) => digest);
  const sources = {
    store: {
      keptDigests: () => said,
      keptNote,
      signedFor: () => undefined,
      issued: () => ({ epoch: 7, digest: 'one', signed: 'a consensus' }),
    },
    signatures: { all: () => [] },
  };
  const recordFor = (of?: string) => readRecord(7, [...(recordOf(sources, 7, of) ?? [])].join(''));
  expect(recordFor('a.test')).toMatchObject({ votes: ['vote of a.test'], reveals: [] });
  expect(recordFor('a.test')?.documents).toEqual(recordFor()?.documents);
  expect(recordFor('nobody.test')).toMatchObject({ votes: [], reveals: [] });
  // what is left out is not read either
  keptNote.mockClear();
  recordFor('a.test');
  expect(keptNote.mock.calls.map(([{ digest }]) => digest)).not.toContain('vote of b.test');
});
