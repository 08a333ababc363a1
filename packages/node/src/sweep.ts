import type { Clock, Log } from '@postern/runtime';
import type { Counters } from './counters.ts';
import { type Loop, startLoop } from './loop.ts';
import type { Reporter } from './report/report.ts';
import type { Spool } from './spool.ts';

export interface SweepContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly spool: Spool;
  readonly counters: Counters;
  /** Tells the author of a set that has expired. */
  readonly report: Reporter;
}

const everyMs = 60_000;
const atOnce = 64;
/** How long the domain of an author who is to be told is looked up. */
const reportTriedMs = 86_400_000;

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

async function endExpiredSets(
  { clock, spool, counters, report }: SweepContext,
  stop: AbortSignal,
): Promise<void> {
  for (;;) {
    const sets = await spool.sets.claimExpired(atOnce);
    if (sets.length === 0) return;
    for (const { id, complete, expiresMs } of sets) {
      stop.throwIfAborted();
      const asking = await spool.sets.returnInfo(id);
      const reported = asking && (await report(asking, { status: '4.4.7' }));
      // Its claim ends with its lease, and then it is tried again; not for ever, since the domain is one that an author named.
      if (reported?.kind === 'later' && clock.now() < expiresMs + reportTriedMs) continue;
      await spool.sets.finish(id, reported?.kind === 'report' ? reported.relay : undefined);
      counters.count('delivered', complete ? 'undelivered' : 'incomplete');
    }
  }
}
