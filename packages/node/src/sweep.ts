import type { Clock, Log } from '@postern/runtime';
import type { Counters } from './counters.ts';
import { type Loop, startLoop } from './loop.ts';
import { type ReportQueue, reportTriedMs } from './report/queue.ts';
import type { Reported } from './report/report.ts';
import type { Spool } from './spool.ts';

export interface SweepContext {
  readonly clock: Clock;
  readonly log: Log;
  readonly spool: Spool;
  readonly counters: Counters;
  /** Tells the author of a set that has expired; none where another process does. */
  readonly reports: Pick<ReportQueue, 'ask'> | undefined;
}

const everyMs = 60_000;
const atOnce = 64;

/** Drops from the spool what has expired, and has what was removed overwritten: of processes that share it one does so for all. */
export function sweep(context: SweepContext): Loop {
  const { clock, log, spool, counters, reports } = context;
  return startLoop({ clock, log, trouble: 'the spool could not be swept' }, async (stop) => {
    if (reports !== undefined) await endExpiredSets({ ...context, reports }, stop);
    if ((await spool.shared?.takeTurn(everyMs)) === false) await spool.shared?.review();
    else {
      const { relays } = await spool.sweep();
      for (let i = 0; i < relays; i++) counters.count('forwarded', 'expired');
    }
    await clock.wait(clock.now() + everyMs, stop);
  });
}

async function endExpiredSets(
  { clock, spool, counters, reports }: SweepContext & { readonly reports: Pick<ReportQueue, 'ask'> },
  stop: AbortSignal,
): Promise<void> {
  for (;;) {
    const sets = await spool.sets.claimExpired(atOnce);
    if (sets.length === 0) return;
    // Ids of those that nothing has been begun with, or that failed.
    const left = new Set(sets.map(({ id }) => id));
    try {
      for (const { id, complete, expiresMs } of sets) {
        stop.throwIfAborted();
        const end = async (reported: Reported): Promise<void> => {
          // Its claim ends with its lease, and then it is tried again.
          if (reported.kind === 'later' && clock.now() < expiresMs + reportTriedMs) return;
          await spool.sets.finish(id, reported.kind === 'report' ? reported.relay : undefined);
          counters.count('delivered', complete ? 'undelivered' : 'incomplete');
        };
        const fragment = await spool.sets.returnInfo(id);
        if (fragment === undefined) await end({ kind: 'none' });
        else reports.ask({ fragment, failure: { status: '4.4.7' }, done: end });
        left.delete(id);
      }
    } catch (error) {
      // Where that fails as well their claims end with their lease.
      await spool.sets.release([...left]).catch(() => undefined);
      throw error;
    }
  }
}
