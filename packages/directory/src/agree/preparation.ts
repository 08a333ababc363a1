import { type CatchUp, catchUp } from './catch-up.ts';
import { compareClocks } from './clocks.ts';
import { type Confirm, confirm } from './confirm.ts';
import type { SharedParameters } from './parameters.ts';
import type { Slot, Timetable } from './slots.ts';

/** What an authority does before it takes part in a slot (spec agreement 2.3). */
export interface Preparation {
  /** Finds out what has to be known for a slot, unless that has been begun. */
  prepare(slot: Slot): void;
  /** Whether this authority may take part in a slot. */
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
  /** Milliseconds by which clocks may differ. */
  readonly toleranceMs: number;
  /** Called whenever something was found out. Never throws. */
  found(): void;
  failed(error: unknown): void;
}

export function createPreparation(options: PreparationOptions): Preparation {
  const { timetable, now, peers, alarms } = options;
  const startedMs = now();
  const confirmed = new Set<number>();
  const underWay = new Set<Promise<void>>();
  let begun: Slot | undefined;
  let ready: Slot | undefined;

  /** Of an epoch whose slots began before this process did its store may not know what was signed. */
  const mayHaveSigned = (epoch: number): boolean => timetable.begins(epoch) < startedMs;
  const confirmOnce = async (epoch: number): Promise<void> => {
    if (!mayHaveSigned(epoch) || confirmed.has(epoch)) return;
    if (await confirm(options, epoch)) confirmed.add(epoch);
  };
  const start = (epoch: number, after: () => void): void => {
    const all = [catchUp(options, epoch), options.parameters.collect(peers, alarms), confirmOnce(epoch)];
    const done = Promise.all(all).then(() => {
      compareClocks(peers.seen, options);
      after();
      options.found();
    }, options.failed);
    underWay.add(done);
    void done.finally(() => underWay.delete(done));
  };
  return {
    prepare(slot) {
      // what a process before this one said in this slot is not known
      if (slot.startMs < startedMs || (begun !== undefined && !isBefore(begun, slot))) return;
      begun = slot;
      start(slot.epoch, () => {
        ready = slot;
      });
    },
    isReady: (slot) => ready?.epoch === slot.epoch && ready.slot === slot.slot,
    maySign: (epoch) => peers.names.length === 0 || !mayHaveSigned(epoch) || confirmed.has(epoch),
    begin: () => start(timetable.epochAt(now()), () => {}),
    settled: async () => void (await Promise.all(underWay)),
  };
}

/** A clock that is set back brings no slot a second time. */
function isBefore(one: Slot, other: Slot): boolean {
  return one.epoch !== other.epoch ? one.epoch < other.epoch : one.slot < other.slot;
}
