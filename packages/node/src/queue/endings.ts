import type { Clock, Log } from '@postern/runtime';
import { createBell } from '../bell.ts';
import { startLoop } from '../loop.ts';
import type { Shelf, Spool, SpoolId } from '../spool.ts';

export interface EndingsContext {
  readonly clock: Clock;
  readonly log: Log;
}

type Release = (ids: readonly SpoolId[]) => Promise<void>;

/** The end of a claim that the store has not noted yet. Those that give back are noted many at a time. */
type Ending =
  | { readonly kind: 'release'; readonly release: Release }
  | { readonly kind: 'again' | 'finish'; readonly end: () => Promise<void> };

/**
 * A spool in which the end of a claim (release, finish, retry, postpone) that the store could not note is tried again until it can: else the
 * row would lie there until the lease ends. Who asked is told of the failure all the same. Of one row the last end that is not a release counts. A
 * row that is to be finished is nobody's work any more: when it is claimed here anew, since its claim has ended or a connection to the store was lost, it is
 * withheld. Any other row that is claimed anew has a claim of its own, which no end of the one before touches.
 */
export function keepEndings(spool: Spool, { clock, log }: EndingsContext): Spool {
  const kept = new Map<SpoolId, Ending>();
  const bell = createBell();
  /** Claims and rounds exclude each other: no end of a claim meets the claim after it. */
  const claims = new Set<Promise<unknown>>();
  let round: Promise<unknown> = Promise.resolve();

  const attempt = async (ids: readonly SpoolId[], end: () => Promise<void>): Promise<void> => {
    await end();
    for (const id of ids) kept.delete(id);
  };
  const attemptAll = async (): Promise<void> => {
    await Promise.allSettled(claims);
    const releases = new Map<Release, SpoolId[]>();
    const attempts: Promise<void>[] = [];
    for (const [id, ending] of kept) {
      if (ending.kind === 'release')
        releases.set(ending.release, [...(releases.get(ending.release) ?? []), id]);
      else attempts.push(attempt([id], ending.end));
    }
    for (const [release, ids] of releases) attempts.push(attempt(ids, () => release(ids)));
    const failed = (await Promise.allSettled(attempts)).find((one) => one.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  };
  const loop = startLoop({ clock, log, trouble: 'claims could not be ended' }, async (stop) => {
    if (kept.size === 0) return bell.wait(stop);
    const running = attemptAll();
    round = running.catch(() => undefined);
    await running;
  });

  const end = async (id: SpoolId, kind: 'again' | 'finish', work: () => Promise<void>): Promise<void> => {
    try {
      await attempt([id], work);
    } catch (error) {
      kept.set(id, { kind, end: work });
      bell.ring();
      throw error;
    }
  };
  const releasing =
    (release: Release): Release =>
    async (ids) => {
      const free = ids.filter((id) => !kept.has(id));
      if (free.length === 0) return;
      try {
        await attempt(free, () => release(free));
      } catch (error) {
        for (const id of free) kept.set(id, { kind: 'release', release });
        bell.ring();
        throw error;
      }
    };
  const withhold = <Item extends { readonly id: SpoolId }>(items: readonly Item[]): Item[] =>
    items.filter(({ id }) => {
      if (kept.get(id)?.kind === 'finish') return false;
      kept.delete(id);
      return true;
    });
  const claiming =
    <Given extends unknown[], Item extends { readonly id: SpoolId }>(
      claim: (...given: Given) => Promise<Item[]>,
    ): typeof claim =>
    async (...given) => {
      for (let seen: unknown; seen !== round; ) {
        seen = round;
        await seen;
      }
      const claimed = claim(...given).then(withhold);
      const over = claimed.catch(() => undefined).finally(() => claims.delete(over));
      claims.add(over);
      return claimed;
    };
  const shelf = <Item extends { readonly id: SpoolId }>(
    of: Pick<Shelf<Item, unknown>, 'claim' | 'release' | 'retry'>,
  ): typeof of => ({
    claim: claiming(of.claim),
    release: releasing(of.release),
    retry: (id, dueMs) => end(id, 'again', () => of.retry(id, dueMs)),
  });
  const { relays, sets } = spool;

  const close = async (): Promise<void> => {
    await loop.stop();
    // What does not work now is done twice by whoever claims it then.
    await attemptAll().catch(() => undefined);
    await spool.close();
  };
  return {
    ...spool,
    claimInputs: claiming(spool.claimInputs),
    releaseInputs: releasing(spool.releaseInputs),
    relays: {
      ...relays,
      ...shelf(relays),
      finish: (id) => end(id, 'finish', () => relays.finish(id)),
      postpone: (id, dueMs) => end(id, 'again', () => relays.postpone(id, dueMs)),
    },
    sets: {
      ...sets,
      ...shelf(sets),
      claimExpired: claiming(sets.claimExpired),
      finish: (id, report) => end(id, 'finish', () => sets.finish(id, report)),
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
