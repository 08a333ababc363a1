import { expect, test } from 'vitest';
import type { Verdict } from '../../spool.ts';
import { mustLast, type Operations, writes } from './operations.ts';

const verdicts: Readonly<Record<Verdict['kind'], boolean>> = {
  relay: false,
  refused: false,
  fragment: true,
  returned: true,
  complaint: true,
  deferred: true,
};

/** Whether each that writes, but for `settle`, has to be on the disk before it is answered. */
const lasting: Readonly<Partial<Record<keyof Operations, boolean>>> = {
  accept: true,
  submit: true,
  tell: true,
  send: true,
  finishSet: true,
  resumeDeferred: true,
  finishRelay: false,
  retryRelay: false,
  postponeRelay: false,
  retrySet: false,
  forgetTags: false,
  expireRelays: false,
  forgetSets: false,
  forgetReturns: false,
  forgetComplaints: false,
  overwrite: false,
};

test('only what can be done again need not outlast a crash of the machine', () => {
  expect(Object.keys(lasting).concat('settle').sort()).toEqual([...writes].sort());
  for (const [name, expected] of Object.entries(lasting))
    expect([name, mustLast({ name: name as keyof Operations, arguments: [] })]).toEqual([name, expected]);
});

test('of verdicts, those by which something comes to its end here have to outlast it', () => {
  for (const [kind, expected] of Object.entries(verdicts))
    expect([kind, mustLast({ name: 'settle', arguments: ['', { kind }, ''] })]).toEqual([kind, expected]);
});
