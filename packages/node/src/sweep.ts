import type { Clock, Log } from '@postern/runtime';
import type { Counters } from './counters.ts';
import { type Loop, startLoop } from './loop.ts';
import type { Spool } from './spool.ts';

const everyMs = 60_000;

/** Drops from the spool what has expired, and has what was removed overwritten. */
export function sweep(context: { clock: Clock; log: Log; spool: Spool; counters: Counters }): Loop {
  const { clock, log, spool, counters } = context;
  return startLoop({ clock, log, trouble: 'the spool could not be swept' }, async (stop) => {
    const { relays, incomplete, undelivered } = await spool.sweep();
    for (let i = 0; i < relays; i++) counters.count('forwarded', 'expired');
    for (let i = 0; i < incomplete; i++) counters.count('delivered', 'incomplete');
    for (let i = 0; i < undelivered; i++) counters.count('delivered', 'undelivered');
    await clock.wait(clock.now() + everyMs, stop);
  });
}
