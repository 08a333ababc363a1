import { epochAt } from '@postern/protocol/consensus';

/** One attempt to agree on the consensus of an epoch (spec agreement 2). */
export interface Slot {
  readonly epoch: number;
  /** Which one of that epoch, from 0 on. */
  readonly slot: number;
  /** Milliseconds: its first moment, and the first one after it. */
  readonly startMs: number;
  readonly endMs: number;
  /** Milliseconds. */
  readonly roundMs: number;
}

/** When the authorities of a network try to agree; the same for all of them. */
export interface Timetable {
  /** The epoch that is to be agreed on at a time. */
  epochAt(nowMs: number): number;
  /** The slot under way at a time; none in what is left of a period when no whole one fits any more. */
  at(nowMs: number): Slot | undefined;
  /** When the slot after this time begins. */
  next(nowMs: number): number;
  /** When the first slot of an epoch begins. */
  begins(epoch: number): number;
  /** When each of them begins. */
  starts(epoch: number): readonly number[];
}

/** Longest round, milliseconds. */
const longestRoundMs = 60_000;

/** How long a round is, milliseconds; none where an authority agrees with itself. */
export function roundMsOf(epochSeconds: number, members: number): number {
  const rounds = roundsOf(members);
  return rounds === 0 ? 0 : Math.min(longestRoundMs, Math.floor((epochSeconds * 250) / (2 * rounds + 2)));
}

/** How long another authority is waited for, whole milliseconds: a round has time for two who do not answer. */
export function timeoutMsOf(roundMs: number): number {
  return Math.floor(Math.max(250, Math.min(10_000, roundMs / 3)));
}

export function timetable(epochSeconds: number, members: number): Timetable {
  const epochMs = epochSeconds * 1_000;
  const roundMs = roundMsOf(epochSeconds, members);
  if (roundMs === 0) return alone(epochSeconds);
  const leadMs = epochMs / 4;
  const slotMs = roundMs * (2 * roundsOf(members) + 2);
  const slots = Math.floor(epochMs / slotMs);
  const of = (nowMs: number): number => Math.floor((nowMs + leadMs) / epochMs);
  const begins = (epoch: number): number => epoch * epochMs - leadMs;
  return {
    epochAt: of,
    begins,
    starts: (epoch) => Array.from({ length: slots }, (_, slot) => begins(epoch) + slot * slotMs),
    at(nowMs) {
      const epoch = of(nowMs);
      const slot = Math.floor((nowMs - begins(epoch)) / slotMs);
      const startMs = begins(epoch) + slot * slotMs;
      return slot < slots ? { epoch, slot, startMs, endMs: startMs + slotMs, roundMs } : undefined;
    },
    next(nowMs) {
      const end = this.at(nowMs)?.endMs ?? begins(of(nowMs) + 1);
      return this.at(end) === undefined ? begins(of(nowMs) + 1) : end;
    },
  };
}

/** Whoever waits for nobody agrees at once, whenever a consensus is due. */
function alone(epochSeconds: number): Timetable {
  const of = (nowMs: number): number => epochAt(Math.floor(nowMs / 1_000), epochSeconds);
  const begins = (epoch: number): number => epoch * epochSeconds * 1_000;
  return {
    epochAt: of,
    begins,
    starts: (epoch) => [begins(epoch)],
    at: (nowMs) => ({ epoch: of(nowMs), slot: 0, startMs: nowMs, endMs: nowMs, roundMs: 0 }),
    next: (nowMs) => begins(of(nowMs) + 1),
  };
}

/** Rounds of a broadcast that are enough among so many members, of whom all but two may be faulty. */
export function roundsOf(members: number): number {
  return members - 1;
}
