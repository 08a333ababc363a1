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
   * The epoch as of which keys go at `epoch` of the clock (spec consensus 6.2): that one while a consensus taken here is valid by the
   * clock. Else the last in which it was, until `wait` has been waited out.
   */
  endsAt(epoch: number): number;
  /** A consensus of that epoch has been taken. */
  confirm(epoch: number): void;
  /** Begins to wait for a consensus that confirms the clock, unless it has begun. */
  wait(stop: AbortSignal): void;
  /** At that epoch a consensus taken here is valid by the clock again: what was waited for is forgotten. Nothing happens otherwise. */
  rest(epoch: number): void;
  /** Rings when `endsAt` may say another thing. */
  readonly changed: Pick<Bell, 'wait'>;
}

export function createPast({ clock, log, epochSeconds, newest }: PastContext): Past {
  let confirmed = newest;
  let waiting: AbortController | undefined;
  let waited = false;
  const changed = createBell();
  const forget = (): void => {
    waited = false;
    waiting?.abort();
    waiting = undefined;
  };
  return {
    endsAt(epoch) {
      if (confirmed === undefined || waited) return epoch;
      return Math.min(epoch, confirmed + staleEpochs);
    },
    confirm(epoch) {
      if (confirmed !== undefined && epoch <= confirmed) return;
      confirmed = epoch;
      forget();
      changed.ring();
    },
    wait(stop) {
      if (waiting !== undefined) return;
      waiting = new AbortController();
      log.warn('by the clock no consensus holds: past mix keys are kept for two epochs, unless one comes');
      const signal = AbortSignal.any([stop, waiting.signal]);
      passTime(clock, staleEpochs * epochSeconds * 1_000, signal).then(
        () => {
          waited = true;
          changed.ring();
        },
        () => undefined,
      );
    },
    rest(epoch) {
      if (confirmed !== undefined && epoch <= confirmed + staleEpochs) forget();
    },
    changed,
  };
}
