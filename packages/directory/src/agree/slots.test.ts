import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { roundMsOf, timeoutMsOf, timetable } from './slots.ts';

const hour = 3_600_000;

describe('slots', () => {
  test('of one epoch begin a quarter of an epoch before it, and follow one another', () => {
    const table = timetable(3_600, 5);
    expect(roundMsOf(3_600, 5)).toBe(60_000);
    const first = { epoch: 10, slot: 0, startMs: 9.75 * hour, endMs: 9.75 * hour + 600_000, roundMs: 60_000 };
    expect(table.at(9.75 * hour)).toEqual(first);
    expect(table.at(9.75 * hour - 1)).toMatchObject({ epoch: 9, slot: 5 });
    expect(table.at(10 * hour)).toMatchObject({ epoch: 10, slot: 1 });
    expect(table.next(9.75 * hour)).toBe(first.endMs);
  });

  test('fit their rounds into a quarter of an epoch, however short that is', () => {
    expect(roundMsOf(10, 5)).toBe(250);
    expect(timetable(10, 5).at(7_500)).toMatchObject({ epoch: 1, slot: 0, endMs: 10_000 });
  });

  test('wait for others in whole milliseconds, as timers take them', () => {
    fc.assert(
      fc.property(fc.integer({ min: 10, max: 7_200 }), fc.integer({ min: 2, max: 9 }), (seconds, members) => {
        const timeoutMs = timeoutMsOf(roundMsOf(seconds, members));
        expect(() => AbortSignal.timeout(timeoutMs)).not.toThrow();
      }),
    );
  });

  test('cover all time but what is left of a period, each in its own epoch', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 7_200 }),
        fc.integer({ min: 2, max: 9 }),
        fc.integer({ min: 10 ** 9, max: 10 ** 12 }),
        (epochSeconds, members, nowMs) => {
          const table = timetable(epochSeconds, members);
          const slot = table.at(nowMs);
          const epoch = table.epochAt(nowMs);
          expect(table.begins(epoch)).toBeLessThanOrEqual(nowMs);
          expect(table.begins(epoch + 1)).toBeGreaterThan(nowMs);
          expect(table.next(nowMs)).toBeGreaterThan(nowMs);
          expect(table.at(table.next(nowMs))?.startMs).toBe(table.next(nowMs));
          // what is left of a period is none's
          const { startMs, endMs } = slot ?? { startMs: nowMs, endMs: table.begins(epoch + 1) };
          expect(slot?.epoch ?? epoch).toBe(epoch);
          expect(startMs).toBeLessThanOrEqual(nowMs);
          expect(endMs).toBeGreaterThan(nowMs);
          expect(endMs).toBeLessThanOrEqual(table.begins(epoch + 1));
          expect([endMs, table.begins(epoch + 1)]).toContain(table.next(nowMs));
        },
      ),
    );
  });

  test('of one authority take no time, and are there whenever something is due', () => {
    const table = timetable(3_600, 1);
    expect(table.at(10 * hour + 5)).toEqual({
      epoch: 10,
      slot: 0,
      roundMs: 0,
      startMs: 10 * hour + 5,
      endMs: 10 * hour + 5,
    });
    expect(table.next(10 * hour + 5)).toBe(11 * hour);
  });
});
