import { staleEpochs } from '@postern/protocol/consensus';
import { type Clock, type Log, passTime } from '@postern/runtime';
import { type Bell, createBell } from './bell.ts';

export interface PastContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly epochSeconds: number;
  /** Epoch of the newest consensus that this node has ever taken; none when it has taken none. */
  readonly newest: number | undefined;
}

/** How far the past may be believed to have gone by: what is destroyed on a wrong clock's word does not come back when the clock is set. */
export interface Past {
  /**
   * The epoch as of which keys go at `epoch` of the clock (spec consensus 6.2): that one, but none that has not begun by the consensuses taken here
   * and the time that has passed since, until two epochs have been waited out. The clock's own where none was ever taken.
   */
  endsAt(epoch: number): number;
  /** A consensus of that epoch has been taken. */
  confirm(epoch: number): void;
  /**
   * To be called with the clock's epoch at first, when that has become another, and when `changed` rings. Counts the epochs that pass, and begins to
   * wait when the clock says one that has not begun; what was waited for is forgotten once it has, or the clock says so no more.
   */
  look(epoch: number, stop: AbortSignal): void;
  /** Rings when `endsAt` may say another thing. */
  readonly changed: Pick<Bell, 'wait'>;
}

export function createPast({ clock, log, epochSeconds, newest }: PastContext): Past {
  const epochMs = epochSeconds * 1_000;
  let confirmed = newest;
  /** The last epoch of which it is known that it has begun, whatever the clock says. */
  let begun = newest;
  let counting: AbortController | undefined;
  let waiting: AbortController | undefined;
  let waited = false;
  let warned = false;
  const changed = createBell();

  /** Those that follow are counted from when this is known, not from when it was so: late rather than early. */
  const begin = (epoch: number): void => {
    begun = epoch;
    counting?.abort();
    counting = undefined;
  };
  const count = (from: number, stop: AbortSignal): void => {
    if (counting !== undefined) return;
    counting = new AbortController();
    const signal = AbortSignal.any([stop, counting.signal]);
    passTime(clock, epochMs, signal).then(
      () => {
        if (signal.aborted) return;
        begin(from + 1);
        count(from + 1, stop);
        changed.ring();
      },
      () => undefined,
    );
  };
  const wait = (stop: AbortSignal): void => {
    if (waiting !== undefined) return;
    waiting = new AbortController();
    const signal = AbortSignal.any([stop, waiting.signal]);
    passTime(clock, staleEpochs * epochMs, signal).then(
      () => {
        if (signal.aborted) return;
        waited = true;
        changed.ring();
      },
      () => undefined,
    );
  };
  const forget = (): void => {
    waited = false;
    warned = false;
    waiting?.abort();
    waiting = undefined;
  };
  return {
    endsAt(epoch) {
      return begun === undefined || waited ? epoch : Math.min(epoch, begun);
    },
    confirm(epoch) {
      if (confirmed !== undefined && epoch <= confirmed) return;
      confirmed = epoch;
      if (begun === undefined || epoch > begun) begin(epoch);
      forget();
      changed.ring();
    },
    look(epoch, stop) {
      if (begun === undefined || confirmed === undefined) return;
      count(begun, stop);
      if (epoch <= begun) return forget();
      wait(stop);
      // The next epoch may be a moment ahead of what is counted.
      if (waited || warned || epoch <= Math.max(confirmed + staleEpochs, begun + 1)) return;
      warned = true;
      log.warn(
        'by the clock no consensus holds: past mix keys are kept until one comes, for two epochs at most',
      );
    },
    changed,
  };
}
