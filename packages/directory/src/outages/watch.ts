import type { NodeEntry } from '@postern/protocol/consensus';
import { shuffled } from '@postern/protocol/primitives';
import type { Clock, Log, Random } from '@postern/runtime';
import type { Alarms } from '../alarms.ts';

/** Whether a mix answers, and is the one that the consensus names. Never throws. */
export type Reach = (mix: NodeEntry, signal: AbortSignal) => Promise<boolean>;

export interface WatchOptions {
  /** Those of the consensus that readers have now. */
  mixes(): readonly NodeEntry[];
  readonly reach: Reach;
  readonly clock: Clock;
  readonly random: Random;
  readonly alarms: Pick<Alarms, 'raise' | 'clear'>;
  readonly log: Pick<Log, 'error'>;
  readonly epochSeconds: number;
}

/** Tries every mix once a round. Disposing of it ends that. */
export interface Watch extends AsyncDisposable {
  /**
   * Ids of the mixes that could not be reached twice in a row, sorted. Undefined before the first round is over, and while so many are missing
   * that it is the authority itself that must be cut off.
   */
  down(): readonly string[] | undefined;
}

/** How often one mix is tried, milliseconds: five minutes, where epochs are long enough (spec outage 3). */
export function roundMsOf(epochSeconds: number): number {
  return Math.min(300_000, Math.max(10_000, (epochSeconds * 1_000) / 12));
}

/** Points of a round at which mixes are tried, at most: so many do not all get their connection in one moment. */
const mostSteps = 30;

/** So often in a row a mix has to be missed. */
const mostMisses = 2;

export function startWatch(options: WatchOptions): Watch {
  const { mixes, reach, clock, random, alarms, log, epochSeconds } = options;
  const stop = new AbortController();
  const roundMs = roundMsOf(epochSeconds);
  /** How often each was missed since it was reached. */
  let misses = new Map<string, number>();
  let isOver = false;

  const underWay = new Set<Promise<void>>();
  const attempt = async (mix: NodeEntry): Promise<void> => {
    const reached = await reach(mix, stop.signal);
    if (stop.signal.aborted) return;
    misses.set(mix.id, reached ? 0 : (misses.get(mix.id) ?? 0) + 1);
  };
  const begin = (mix: NodeEntry): void => {
    const begun = attempt(mix).finally(() => underWay.delete(begun));
    underWay.add(begun);
  };
  const round = async (): Promise<void> => {
    const fromMs = clock.now();
    const all = shuffled(mixes(), random);
    const known = new Set(all.map(({ id }) => id));
    misses = new Map([...misses].filter(([id]) => known.has(id)));
    const steps = Math.max(1, Math.min(mostSteps, all.length));
    for (let step = 0; step < steps; step++) {
      await clock.wait(fromMs + (step * roundMs) / steps, stop.signal);
      for (const [at, mix] of all.entries()) if (at % steps === step) begin(mix);
    }
    await clock.wait(fromMs + roundMs, stop.signal);
    await Promise.all(underWay);
    isOver ||= all.length > 0;
    tellCutOff();
  };
  const missing = (): string[] =>
    mixes().flatMap(({ id }) => ((misses.get(id) ?? 0) >= mostMisses ? [id] : []));
  const isCutOff = (): boolean => 2 * missing().length > mixes().length;
  const tellCutOff = (): void => {
    const [count, of] = [missing().length, mixes().length];
    const why = `${count} of ${of} mixes cannot be reached from here, so nothing is said of any`;
    if (isCutOff()) alarms.raise('cut-off', '', why);
    else alarms.clear('cut-off', '');
  };
  /** What cannot be read this time may be the next. */
  const roundOrPause = (): Promise<void> =>
    round().catch((error: unknown) => {
      stop.signal.throwIfAborted();
      log.error('mixes not tried', { why: error instanceof Error ? error.message : String(error) });
      return clock.wait(clock.now() + roundMs, stop.signal);
    });
  const watch = async (): Promise<void> => {
    // at first the round is waited for: whoever is started with the whole network is not to find it down
    await clock.wait(clock.now() + roundMs, stop.signal);
    while (!stop.signal.aborted) await roundOrPause();
  };

  const watching = watch().catch((error: unknown) => {
    if (!stop.signal.aborted) throw error;
  });
  return {
    down: () => (isOver && !isCutOff() ? missing().sort() : undefined),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.all([watching, ...underWay]);
    },
  };
}
