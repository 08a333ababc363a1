import { catchUp, type CatchUp } from './catch-up.ts';
import { compareClocks } from './clocks.ts';
import { type Confirm, confirm } from './confirm.ts';
import type { SharedParameters } from './parameters.ts';
import type { Slot, Timetable } from './slots.ts';

/** What an authority does before it takes part in a slot (spec agreement 2.3). */
export interface Preparation {
  /** Whether it may take part; finds out, when that is not known yet, and calls `found` then. */
  isReady(slot: Slot): boolean;
  /** Whether it may sign for an epoch. */
  maySign(epoch: number): boolean;
  /** Looks for what is missing, without a slot. */
  begin(): void;
  /** Ends once what is under way has ended. */
  settled(): Promise<void>;
}

export interface PreparationOptions extends CatchUp, Confirm {
  readonly timetable: Timetable;
  readonly parameters: SharedParameters;
  readonly now: () => number;
  readonly toleranceMs: number;
  /** Called whenever something was found out. Never throws. */
  found(): void;
  failed(error: unknown): void;
}

export function createPreparation(options: PreparationOptions): Preparation {
  const { timetable, now } = options;
  const startedMs = now();
  const confirmed = new Set<number>();
  let begun: Slot | undefined;
  let ready: Slot | undefined;
  let underWay: Promise<void> = Promise.resolve();

  /** Of an epoch whose slots began before this process did its store may not know what was signed. */
  const mayHaveSigned = (epoch: number): boolean => timetable.begins(epoch) < startedMs;
  const prepare = async (epoch: number): Promise<void> => {
    await catchUp(options, epoch);
    compareClocks(options.peers.seen, options);
    await options.parameters.collect(options.peers, options.alarms);
    if (mayHaveSigned(epoch) && !confirmed.has(epoch) && (await confirm(options, epoch))) confirmed.add(epoch);
  };
  const start = (epoch: number, after: () => void): void => {
    underWay = prepare(epoch).then(() => {
      after();
      options.found();
    }, options.failed);
  };
  return {
    isReady(slot) {
      // what a process before this one said in this slot is not known
      if (slot.startMs < startedMs || isBefore(slot, begun)) return false;
      if (isBefore(begun, slot) || begun === undefined) {
        begun = slot;
        start(slot.epoch, () => {
          ready = slot;
        });
      }
      return ready !== undefined && !isBefore(ready, slot);
    },
    maySign: (epoch) => !mayHaveSigned(epoch) || confirmed.has(epoch),
    begin: () => start(timetable.epochAt(now()), () => {}),
    settled: () => underWay,
  };
}

/** A clock that is set back brings no slot a second time. */
function isBefore(one: Slot | undefined, other: Slot | undefined): boolean {
  if (one === undefined || other === undefined) return false;
  return one.epoch !== other.epoch ? one.epoch < other.epoch : one.slot < other.slot;
}
