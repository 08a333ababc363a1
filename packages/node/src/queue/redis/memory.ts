import type { Clock } from '@postern/runtime';
import { redisFault } from './faults.ts';
import { parseInfo } from './info.ts';
import type { Session } from './session.ts';

/** Watches the memory of Redis: BullMQ's scripts, which work the spool off, need some of it. */
export interface Memory {
  /** Throws `NodeError` `spool-full` with less than the reserve left. Asks Redis once in a while. */
  assert(session: Session): Promise<void>;
}

const askEveryMs = 1_000;

export function createMemory(clock: Clock, reserveBytes: number): Memory {
  let askedMs = Number.NEGATIVE_INFINITY;
  let full: Promise<boolean> = Promise.resolve(false);
  const ask = async ({ redis }: Session): Promise<boolean> => {
    const { used_memory: used, maxmemory: most } = parseInfo(await redis.info('memory'));
    return Number(most) > 0 && Number(used) + reserveBytes > Number(most);
  };
  return {
    async assert(session) {
      if (Math.abs(clock.now() - askedMs) >= askEveryMs) {
        askedMs = clock.now();
        full = ask(session);
        full.catch(() => undefined);
      }
      if (await full) throw redisFault('spool-full', 'Redis has hardly any memory left');
    },
  };
}
