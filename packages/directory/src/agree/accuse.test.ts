import { epochAt, type Vote } from '@postern/protocol/consensus';
import { expect, test } from 'vitest';
import { epochSeconds, start } from '../testing/clock.ts';
import { openSeat, type Seat } from '../testing/seat.ts';
import { tellKept } from './accuse.ts';
import { watch } from './watch.ts';

const epoch = epochAt(start / 1_000, epochSeconds);
const month = 30 * 24;

function keepTwo(
  seat: Seat,
  authority: string,
  of: number,
  part: 'vote' | 'consensus',
  slots: readonly [number, number] = [1, 1],
): void {
  const digests = ['ab', 'cd'].map((two) => two.repeat(32));
  seat.store.keep(
    digests.map((digest, at) => ({
      epoch: of,
      part,
      authority,
      digest,
      signed: `{"slot":${slots[at]},"version":1}`,
    })),
  );
}

const standing = (seat: Seat): string[] => {
  tellKept(seat.store, seat.members, seat.alarms, { epoch, epochSeconds });
  return seat.alarms.standing.map(({ kind, about, why }) => `${kind} ${about}: ${why}`);
};

test('who has said two things, of which both are kept, is named again when an authority is started', async () => {
  await using seat = await openSeat(4, 3);
  keepTwo(seat, 'authority2.test', epoch - 7, 'vote');
  keepTwo(seat, 'authority2.test', epoch - month, 'vote');
  keepTwo(seat, 'authority3.test', epoch - month, 'consensus');
  expect(standing(seat)).toEqual([
    `equivocation authority2.test: it has signed two votes in slot 1 of epoch ${epoch - 7}: abababababab and cdcdcdcdcdcd; both are kept`,
    `signed-twice authority3.test: it has signed abababababab and cdcdcdcdcdcd for epoch ${epoch - month}`,
  ]);
});

test('this authority itself is told that its keys are used twice', async () => {
  await using seat = await openSeat();
  keepTwo(seat, 'authority1.test', epoch, 'vote');
  expect(standing(seat)).toEqual([
    expect.stringMatching(
      /^key-used-twice authority1\.test: a vote in slot 1 of epoch \d+ is signed by this/,
    ),
  ]);
});

test('this authority that has heard another vote of its own is told so', async () => {
  await using seat = await openSeat();
  const two = ['ab', 'cd'].map((digest) => ({ digest, signed: '', value: {} as Vote }));
  const doubled = new Map([['authority1.test', two]]);
  const slot = { epoch, slot: 2, startMs: start, endMs: start, roundMs: 0 };
  watch({ votes: new Map(), reveals: new Map(), doubled }, slot, seat.members, seat.alarms);
  expect(seat.kinds()).toEqual([
    'key-used-twice authority1.test',
    'silent authority2.test',
    'silent authority3.test',
  ]);
});

test('votes in several slots, what is older than a month, and who is no authority any more is no alarm', async () => {
  await using seat = await openSeat();
  keepTwo(seat, 'authority2.test', epoch, 'vote', [1, 2]);
  keepTwo(seat, 'authority3.test', epoch - month - 1, 'vote');
  keepTwo(seat, 'authority9.test', epoch, 'vote');
  expect(standing(seat)).toEqual([]);
});
