import { staleEpochs } from '@postern/protocol/consensus';
import type { Clock, Log } from '@postern/runtime';
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
  /** Rings when `endsAt` may say another thing. */
  readonly changed: Pick<Bell, 'wait'>;
}

export function createPast({ clock, log, epochSeconds, newest }: PastContext): Past {
  let confirmed = newest;
  let waiting: AbortController | undefined;
  let waited = false;
  const changed = createBell();
  return {
    endsAt(epoch) {
      if (confirmed === undefined || waited) return epoch;
      return Math.min(epoch, confirmed + staleEpochs);
    },
    confirm(epoch) {
      if (confirmed !== undefined && epoch <= confirmed) return;
      confirmed = epoch;
      waited = false;
      waiting?.abort();
      waiting = undefined;
      changed.ring();
    },
    wait(stop) {
      if (waiting !== undefined) return;
      waiting = new AbortController();
      log.warn('by the clock no consensus holds: past mix keys are kept for two epochs, unless one comes');
      const signal = AbortSignal.any([stop, waiting.signal]);
      waitOut(clock, staleEpochs * epochSeconds * 1_000, signal).then(
        () => {
          waited = true;
          changed.ring();
        },
        () => undefined,
      );
    },
    changed,
  };
}

const pieceMs = 60_000;

/** In pieces: it takes its time, but for one of them, even when the clock is put ahead again. */
async function waitOut(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  for (let left = ms; left > 0; left -= pieceMs)
    await clock.wait(clock.now() + Math.min(left, pieceMs), signal);
}
