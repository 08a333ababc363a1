import { silentLog, systemClock, systemRandom } from '@postern/runtime';
import { openRedisSpool, type RedisSpoolOptions } from '../src/queue/redis/spool.ts';
import type { Spool } from '../src/spool.ts';

/** A spool in the Redis behind a socket, on the system's clock. */
export function openAt(path: string, options: Partial<RedisSpoolOptions> = {}): Promise<Spool> {
  return openRedisSpool({
    connection: { path },
    name: 'test',
    nodeId: 'ab'.repeat(32),
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
    maxBytes: 500_000_000,
    ...options,
  });
}
