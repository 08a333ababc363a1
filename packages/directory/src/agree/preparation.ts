import { maxCertificatesLength } from '@postern/protocol/consensus';
import type { PeerCertificates } from '../peer-certificates.ts';
import type { Slot, Timetable } from '../slots.ts';
import { type CatchUp, catchUp } from './catch-up.ts';
import { watchClock } from './clock-watch.ts';
import { compareClocks } from './clocks.ts';
import { type Confirm, confirm, lookBack } from './confirm.ts';
import type { SharedParameters } from './parameters.ts';

/** What an authority does before it takes part in a slot (spec agreement 2.3). */
export interface Preparation {
  /** Finds out what has to be known for a slot, unless that has been begun. */
  prepare(slot: Slot): void;
  /** Whether this authority may take part in a slot. */
  isReady(slot: Slot): boolean;
  /** Whether it may sign for an epoch. */
  maySign(epoch: number): boolean;
  /** Whether others have shown a consensus that enough have signed, be it taken here or not. */
  othersHold(): boolean;
  /** Looks, once an epoch is agreed on or over, whether others have something of this authority that it has not said. */
  lookBack(epoch: number): void;
  /** Looks for what is missing, without a slot. */
  begin(): void;
  /** Looks for signatures under the parameters, unless it has of late. */
  collectParameters(): void;
  /** Ends once what is under way has ended. */
  settled(): Promise<void>;
}

export interface PreparationOptions extends CatchUp, Confirm {
  readonly timetable: Timetable;
  readonly parameters: SharedParameters;
  /** Where certificates of others are kept. */
  readonly certificates: Pick<PeerCertificates, 'take' | 'keepOf'>;
  readonly now: () => number;
  /** Milliseconds as they pass, whatever the clock is set to. */
  readonly uptime: () => number;
  /** Milliseconds by which clocks may differ. */
  readonly toleranceMs: number;
  /** Milliseconds in which signatures under the parameters are looked for once at most, beside every slot. */
  readonly restMs: number;
  /** Called whenever something was found out. Never throws. */
  found(): void;
  failed(error: unknown): void;
}

export function createPreparation(options: PreparationOptions): Preparation {
  const { timetable, now, peers, alarms } = options;
  const clock = watchClock(now, options.uptime, options.toleranceMs);
  /** Since when this process has known what it said: since it was started, or the clock was set. */
  let startedMs = now();
  /** Of an epoch whose slots begin before this the store may not know what was signed. */
  let unsureMs = startedMs;
  let catchingUp: Promise<boolean> | undefined;
  const confirmed = new Set<number>();
  const underWay = new Set<Promise<void>>();
  let looked: Slot | undefined;
  let begun: Slot | undefined;
  let othersHold = false;
  /** The last two: one may be under way when the next is prepared. */
  let ready: readonly Slot[] = [];
  let collectedMs = Number.NEGATIVE_INFINITY;
  /** How often the clock was set. */
  let settings = 0;

  /** A clock that was set is none by which this process could tell what is before its start: it begins anew. */
  const lookAtClock = (): void => {
    const latestMs = clock.wasSet();
    if (latestMs === undefined) return;
    startedMs = now();
    unsureMs = Math.max(unsureMs, latestMs);
    confirmed.clear();
    ready = [];
    looked = undefined;
    // what is under way began by the clock as it was
    settings += 1;
  };
  const mayHaveSigned = (epoch: number): boolean => timetable.begins(epoch) < unsureMs;
  const confirmOnce = async (epoch: number): Promise<void> => {
    if (!mayHaveSigned(epoch) || confirmed.has(epoch)) return;
    const starts = timetable.starts(epoch);
    const before = settings;
    if ((await confirm(options, { epoch, starts })) && before === settings) confirmed.add(epoch);
  };
  /** One at a time: what a second one finds is what the first is about to get. */
  const catchUpOnce = (epoch: number): Promise<boolean> => {
    catchingUp ??= catchUp(options, epoch).finally(() => {
      catchingUp = undefined;
    });
    return catchingUp;
  };
  const fetchCertificates = async (): Promise<void> => {
    const ask = async (name: string): Promise<void> => {
      const answer = await peers.ask(name, '/v1/certificates', { maxBytes: maxCertificatesLength });
      if (answer.kind === 'answer' && answer.status === 200) await options.certificates.take(answer.text);
    };
    await Promise.all(peers.names.map(ask));
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
        catchUpOnce(epoch),
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
  const maySign = (epoch: number): boolean => {
    lookAtClock();
    return peers.names.length === 0 || !mayHaveSigned(epoch) || confirmed.has(epoch);
  };
  return {
    prepare(slot) {
      lookAtClock();
      if (looked?.epoch === slot.epoch && looked.slot === slot.slot) return;
      looked = slot;
      // what a process before this one said in this slot is not known, nor what this one did before its clock was set back
      const takesPart = slot.startMs >= startedMs && (begun === undefined || isBefore(begun, slot));
      if (takesPart) begun = slot;
      const before = settings;
      start(slot.epoch, () => {
        if (takesPart && before === settings) ready = [slot, ...ready].slice(0, 2);
      });
    },
    isReady({ epoch, slot }) {
      lookAtClock();
      return ready.some((one) => one.epoch === epoch && one.slot === slot);
    },
    maySign,
    lookBack(epoch) {
      // of what it does not know itself it has nothing to say
      if (!maySign(epoch) || options.store.signedFor(epoch)?.signed === '') return;
      const looked = lookBack(options, { epoch, starts: timetable.starts(epoch) });
      track(looked.catch(options.failed));
    },
    othersHold: () => othersHold,
    begin: () => start(timetable.epochAt(now()), () => {}),
    collectParameters() {
      if (isRecent(collectedMs)) return;
      collectedMs = now();
      const collected = fetchCertificates().then(() => options.parameters.collect(peers, alarms));
      track(collected.catch(options.failed));
    },
    settled: async () => void (await Promise.all(underWay)),
  };
}

/** A clock that is set back brings no slot a second time. */
function isBefore(one: Slot, other: Slot): boolean {
  return one.epoch !== other.epoch ? one.epoch < other.epoch : one.slot < other.slot;
}
