import type { Clock, Log } from '@postern/runtime';
import type { Counters } from './counters.ts';
import { type Loop, startLoop } from './loop.ts';
import type { Relay, Spool, SpoolId } from './spool.ts';

export interface SweepContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly spool: Spool;
  readonly counters: Counters;
  /** What tells the author of a set that it has expired; nothing when they cannot be told. */
  readonly reportOf: (set: SpoolId) => Promise<Relay | undefined>;
}

const everyMs = 60_000;
const atOnce = 64;

/** Drops from the spool what has expired, and has what was removed overwritten. */
export function sweep(context: SweepContext): Loop {
  const { clock, log, spool, counters } = context;
  return startLoop({ clock, log, trouble: 'the spool could not be swept' }, async (stop) => {
    await endExpiredSets(context, stop);
    const { relays } = await spool.sweep();
    for (let i = 0; i < relays; i++) counters.count('forwarded', 'expired');
    await clock.wait(clock.now() + everyMs, stop);
  });
}

async function endExpiredSets({ spool, counters, reportOf }: SweepContext, stop: AbortSignal): Promise<void> {
  for (;;) {
    const sets = await spool.sets.claimExpired(atOnce);
    if (sets.length === 0) return;
    for (const { id, complete } of sets) {
      stop.throwIfAborted();
      await spool.sets.finish(id, await reportOf(id));
      counters.count('delivered', complete ? 'undelivered' : 'incomplete');
    }
  }
}
