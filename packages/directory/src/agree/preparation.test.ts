import { epochAt } from '@postern/protocol/consensus';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Slot, timetable } from '../slots.ts';
import { epochSeconds, start } from '../testing/clock.ts';
import { openSeat, type Seat } from '../testing/seat.ts';
import { createPreparation, type Preparation } from './preparation.ts';

const table = timetable(epochSeconds, 3);
const epoch = epochAt(start / 1_000, epochSeconds);
const minute = 60_000;
const slotAt = (ms: number): Slot => table.at(ms) as Slot;

let seat: Seat;
beforeEach(async () => {
  seat = await openSeat();
});
afterEach(() => seat[Symbol.asyncDispose]());

/** An authority whose clock, and whose machine, a test moves. */
function process(wallMs: number) {
  const time = { wallMs, upMs: 0 };
  const preparation = createPreparation({
    ...seat,
    timetable: table,
    parameters: { signed: undefined, isComplete: false, collect: async () => {} },
    certificates: { take: async () => undefined, keepOf() {} },
    now: () => time.wallMs,
    uptime: () => time.upMs,
    toleranceMs: 2_000,
    restMs: minute,
    found() {},
    failed(error) {
      throw error;
    },
  });
  const pass = (ms: number): void => {
    time.wallMs += ms;
    time.upMs += ms;
  };
  /** Whether it takes part in a slot that begins after so many milliseconds. */
  const takesPart = async (slot: Slot): Promise<boolean> => {
    preparation.prepare(slot);
    await preparation.settled();
    return preparation.isReady(slot);
  };
  return { time, pass, preparation, takesPart };
}

const answerAll = (): void => {
  for (const { name } of seat.members.others) seat.others[name] = () => undefined;
};

/** The epoch after this one: its slots begin in the last quarter. */
const next = epoch + 1;
const begins = table.begins(next);
const first = slotAt(begins);
const second = slotAt(first.endMs);
const third = slotAt(second.endMs);

describe('an authority takes part in a slot', () => {
  test('that began after it was started, in each once, and in none before', async () => {
    const { pass, time, takesPart } = process(first.startMs + 1);
    expect(await takesPart(first)).toBe(false);
    pass(first.endMs - time.wallMs - minute);
    expect(await takesPart(second)).toBe(true);
    pass(second.endMs - time.wallMs - minute);
    expect(await takesPart(third)).toBe(true);
    // by a clock that is set back
    time.wallMs -= 2 * (second.endMs - second.startMs);
    expect(await takesPart(second)).toBe(false);
    expect(await takesPart(third)).toBe(false);
  });

  test('not in one that had begun before its clock was set right', async () => {
    const { time, takesPart, pass } = process(first.startMs - 2 * minute);
    time.wallMs = second.startMs + 1;
    expect(await takesPart(second)).toBe(false);
    pass(third.startMs - time.wallMs - minute);
    expect(await takesPart(third)).toBe(true);
  });
});

test('an authority looks back at epochs alone of which it knows what it has said', async () => {
  const asked = async (preparation: Preparation): Promise<string[]> => {
    const before = seat.asked.length;
    preparation.lookBack(next);
    await preparation.settled();
    return seat.asked.slice(before);
  };
  const { preparation } = process(begins - 1);
  const question = `/v1/agreement/${next}?of=authority1.test`;
  expect(await asked(preparation)).toEqual(seat.members.others.map(({ name }) => `${name} ${question}`));
  expect(await asked(process(begins + 1).preparation)).toEqual([]);
  seat.store.spend(next, '');
  expect(await asked(preparation)).toEqual([]);
});

describe('an authority signs for an epoch', () => {
  const confirmed = async (preparation: Preparation, slot: Slot): Promise<boolean> => {
    preparation.prepare(slot);
    await preparation.settled();
    return preparation.maySign(slot.epoch);
  };

  test('whose slots begin after its start; otherwise it asks', async () => {
    expect(process(begins - 1).preparation.maySign(next)).toBe(true);
    const { preparation } = process(begins + 1);
    expect(preparation.maySign(next)).toBe(false);
    expect(await confirmed(preparation, first)).toBe(false);
    answerAll();
    expect(await confirmed(preparation, second)).toBe(true);
  });

  test.each<[string, number, number]>([
    // what ran before it may have gone on in between
    ['was an hour behind', begins - 60 * minute, begins + 5 * minute],
    // and may have gone by the clock as it was
    ['was an hour ahead', begins + 60 * minute, begins - 5 * minute],
  ])('that it has asked about again when its clock %s and is set right', async (_, wrong, right) => {
    const { preparation, time, pass } = process(wrong);
    pass(minute);
    time.wallMs = right;
    expect(preparation.maySign(next)).toBe(false);
    answerAll();
    pass(Math.max(0, begins - right));
    expect(await confirmed(preparation, slotAt(time.wallMs))).toBe(true);
    // a clock that runs a little faster is not set
    time.wallMs += 1_500;
    expect(preparation.maySign(next)).toBe(true);
    time.wallMs += 2_500;
    expect(preparation.maySign(next)).toBe(false);
  });
});
