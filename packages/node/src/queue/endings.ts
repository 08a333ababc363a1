import type { Clock, Log } from '@postern/runtime';
import { createBell } from '../bell.ts';
import { startLoop } from '../loop.ts';
import { claimLeaseMs, type Shelf, type Spool, type SpoolId } from '../spool.ts';

export interface EndingsContext {
  readonly clock: Clock;
  readonly log: Log;
}

/** A claim's end that the store has not noted yet. */
interface Ending {
  readonly end: () => Promise<void>;
  /** When the claim has ended by itself. */
  readonly untilMs: number;
}

/**
 * A spool in which the end of a claim (release, finish, retry, postpone) that the store could not note is tried again until it can: else the
 * row would lie there until the lease ends, and what was handed over would then be handed over again. Who asked is told of the failure all
 * the same. A row that is to be finished, retried or postponed is not released meanwhile.
 */
export function keepEndings(spool: Spool, { clock, log }: EndingsContext): Spool {
  const kept = new Map<SpoolId, Ending>();
  const bell = createBell();

  const attempt = async (ending: Ending): Promise<void> => {
    await ending.end();
    for (const [id, one] of kept) if (one === ending) kept.delete(id);
  };
  const loop = startLoop({ clock, log, trouble: 'claims could not be ended' }, async (stop) => {
    for (const [id, { untilMs }] of kept) if (untilMs <= clock.now()) kept.delete(id);
    if (kept.size === 0) return bell.wait(stop);
    const tried = await Promise.allSettled([...new Set(kept.values())].map(attempt));
    for (const one of tried) if (one.status === 'rejected') throw one.reason;
  });

  const run = async (ids: readonly SpoolId[], end: () => Promise<void>): Promise<void> => {
    try {
      await end();
      for (const id of ids) kept.delete(id);
    } catch (error) {
      const ending = { end, untilMs: clock.now() + claimLeaseMs };
      for (const id of ids) kept.set(id, ending);
      bell.ring();
      throw error;
    }
  };
  const releasing =
    (release: Shelf<unknown, unknown>['release']): typeof release =>
    (ids) => {
      const free = ids.filter((id) => !kept.has(id));
      return run(free, () => release(free));
    };
  const { relays, sets } = spool;

  const close = async (): Promise<void> => {
    await loop.stop();
    await spool.close();
  };
  return {
    ...spool,
    releaseInputs: releasing(spool.releaseInputs),
    relays: {
      ...relays,
      release: releasing(relays.release),
      finish: (id) => run([id], () => relays.finish(id)),
      retry: (id, dueMs) => run([id], () => relays.retry(id, dueMs)),
      postpone: (id, dueMs) => run([id], () => relays.postpone(id, dueMs)),
    },
    sets: {
      ...sets,
      release: releasing(sets.release),
      finish: (id, report) => run([id], () => sets.finish(id, report)),
      retry: (id, dueMs) => run([id], () => sets.retry(id, dueMs)),
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
