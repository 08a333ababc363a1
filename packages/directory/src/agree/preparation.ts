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
  /** Whether others have consensuses, be they taken here or not. */
  othersHold(): boolean;
  /** Looks for what is missing, without a slot. */
  begin(): void;
  /** Looks for certificates, unless it has of late. */
  certify(): void;
  /** Looks for signatures under the parameters, unless it has of late. */
  collectParameters(): void;
  /** Ends once what is under way has ended. */
  settled(): Promise<void>;
}

export interface PreparationOptions extends CatchUp, Confirm {
  readonly timetable: Timetable;
  readonly parameters: SharedParameters;
  /** Where certificates of others are kept. */
  readonly certificates: { take(...lists: readonly string[]): Promise<string | undefined> };
  readonly now: () => number;
  /** Milliseconds by which clocks may differ. */
  readonly toleranceMs: number;
  /** Milliseconds in which certificates, and signatures under the parameters, are looked for once at most, beside every slot. */
  readonly restMs: number;
  /** Called whenever something was found out. Never throws. */
  found(): void;
  failed(error: unknown): void;
}

export function createPreparation(options: PreparationOptions): Preparation {
  const { timetable, now, peers, alarms } = options;
  const startedMs = now();
  const confirmed = new Set<number>();
  const underWay = new Set<Promise<void>>();
  let looked: Slot | undefined;
  let begun: Slot | undefined;
  let othersHold = false;
  /** The last two: one may be under way when the next is prepared. */
  let ready: readonly Slot[] = [];
  let certifiedMs = Number.NEGATIVE_INFINITY;
  let collectedMs = Number.NEGATIVE_INFINITY;

  /** Of an epoch whose slots began before this process did its store may not know what was signed. */
  const mayHaveSigned = (epoch: number): boolean => timetable.begins(epoch) < startedMs;
  const confirmOnce = async (epoch: number): Promise<void> => {
    if (!mayHaveSigned(epoch) || confirmed.has(epoch)) return;
    const at = Math.floor(timetable.begins(epoch) / 1_000);
    if (await confirm(options, { epoch, at })) confirmed.add(epoch);
  };
  const fetchCertificates = async (): Promise<void> => {
    const ask = (name: string) => peers.ask(name, '/v1/certificates', { maxBytes: maxCertificatesBytes });
    const answers = await Promise.all(peers.names.map(ask));
    await options.certificates.take(
      ...answers.flatMap((answer) => (answer.kind === 'answer' && answer.status === 200 ? answer.text : [])),
    );
  };
  const isRecent = (atMs: number): boolean => now() < atMs + options.restMs && now() >= atMs;
  const track = (done: Promise<void>): void => {
    underWay.add(done);
    void done.finally(() => underWay.delete(done));
  };
  const start = (epoch: number, after: () => void): void => {
    const prepare = async (): Promise<void> => {
      // what others have signed is read with these
      await fetchCertificates();
      const [held] = await Promise.all([
        catchUp(options, epoch),
        options.parameters.collect(peers, alarms),
        confirmOnce(epoch),
      ]);
      othersHold = held;
    };
    const done = prepare().then(() => {
      compareClocks(peers.seen, options);
      after();
      options.found();
    }, options.failed);
    track(done);
  };
  return {
    prepare(slot) {
      if (looked?.epoch === slot.epoch && looked.slot === slot.slot) return;
      looked = slot;
      // what a process before this one said in this slot is not known, nor what this one did before its clock was set back
      const takesPart = slot.startMs >= startedMs && (begun === undefined || isBefore(begun, slot));
      if (takesPart) begun = slot;
      start(slot.epoch, () => {
        if (takesPart) ready = [slot, ...ready].slice(0, 2);
      });
    },
    isReady: ({ epoch, slot }) => ready.some((one) => one.epoch === epoch && one.slot === slot),
    maySign: (epoch) => peers.names.length === 0 || !mayHaveSigned(epoch) || confirmed.has(epoch),
    othersHold: () => othersHold,
    begin: () => start(timetable.epochAt(now()), () => {}),
    certify() {
      if (isRecent(certifiedMs)) return;
      certifiedMs = now();
      track(fetchCertificates().catch(options.failed));
    },
    collectParameters() {
      if (isRecent(collectedMs)) return;
      collectedMs = now();
      const collected = fetchCertificates().then(() => options.parameters.collect(peers, alarms));
      track(collected.catch(options.failed));
    },
    settled: async () => void (await Promise.all(underWay)),
  };
}

/** Longest list of certificates, bytes. */
const maxCertificatesBytes = 1_048_576;

/** A clock that is set back brings no slot a second time. */
function isBefore(one: Slot, other: Slot): boolean {
  return one.epoch !== other.epoch ? one.epoch < other.epoch : one.slot < other.slot;
}
