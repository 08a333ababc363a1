import { aborted, type Clock, type Log } from '@postern/runtime';
import { createBell } from './bell.ts';
import { createSetback, firstOf, type Loop, startLoop } from './loop.ts';
import { claimLeaseMs, type Shelf, type SpoolId } from './spool.ts';

export interface PullerOptions<Item> {
  readonly clock: Clock;
  readonly log: Log;
  readonly trouble: string;
  readonly shelf: Pick<Shelf<Item, unknown>, 'claim' | 'release' | 'nextDue' | 'wake'>;
  /** Items that are worked on at one time. */
  readonly most: number;
  /** Once it aborts, nothing more is taken off the shelf: `work` would only give it back. */
  readonly stopping: AbortSignal;
  /** Works on one claimed item until it is finished, retried or released. Rejects only for a fault of the spool: the item is given back then, but one that fails again soon is left to the end of its claim. */
  readonly work: (item: Item) => Promise<void>;
}

export interface Puller<Item> {
  /** Works on an item that is claimed already; false, and nothing happens, when there is no room. */
  offer(item: Item): boolean;
  /** Takes nothing more off the shelf, and resolves once what is worked on has ended. */
  close(): Promise<void>;
}

/** Somebody else's lease may have ended without a sound. */
const lookAgainMs = 60_000;
const claimLimit = 64;

/** Takes what is due off a shelf, as much as there is room for: what waits beyond that stays on disk. */
export function startPuller<Item extends { readonly id: SpoolId }>(
  options: PullerOptions<Item>,
): Puller<Item> {
  const { clock, log, trouble, shelf, most, stopping, work } = options;
  const room = createBell();
  const working = new Set<Promise<void>>();
  /** Items that have failed, until when: one that always does must not keep others waiting. */
  const failed = new Map<SpoolId, number>();
  const setback = createSetback({ clock, log, trouble });

  /** Who failed first stands first; a clock that was set back does not keep what stands there for longer than a claim. */
  const forget = (now: number): void => {
    for (const [id, untilMs] of failed) {
      if (untilMs > now && untilMs <= now + claimLeaseMs) return;
      failed.delete(id);
    }
  };

  const begin = (item: Item): void => {
    const running = work(item)
      .then(
        () => setback.worked(),
        (error: unknown) => {
          setback.failed(error);
          const now = clock.now();
          forget(now);
          if (failed.has(item.id)) return undefined;
          failed.set(item.id, now + claimLeaseMs);
          return shelf.release([item.id]).catch(() => undefined);
        },
      )
      .finally(() => {
        working.delete(running);
        room.ring();
      });
    working.add(running);
  };

  const loop: Loop = startLoop({ clock, log, trouble }, async (stop) => {
    await setback.pause(stop);
    if (stopping.aborted) return aborted(stop);
    const free = Math.min(claimLimit, most - working.size);
    if (free <= 0) return room.wait(stop);
    const items = await shelf.claim(free);
    for (const item of items) begin(item);
    if (items.length === free) return;
    const due = (await shelf.nextDue()) ?? Number.POSITIVE_INFINITY;
    const again = Math.min(due, clock.now() + lookAgainMs);
    await firstOf(
      stop,
      (signal) => shelf.wake(signal),
      (signal) => clock.wait(again, signal),
    );
  });

  return {
    offer(item) {
      if (working.size >= most) return false;
      begin(item);
      return true;
    },
    async close() {
      await loop.stop();
      await Promise.all(working);
    },
  };
}
