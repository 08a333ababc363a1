import { existsSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '@postern/runtime';
import { afterAll, beforeAll, describe, vi } from 'vitest';
import { openRedisSpool } from '../src/queue/redis/spool.ts';
import { haveRedis, type RedisServer, redisServer } from './redis-server.ts';
import { type Site, spoolContract } from './spool-contract.ts';
import { crashContract } from './spool-crash.ts';
import { returnsContract } from './spool-returns.ts';
import { seeded } from './support.ts';

/** A cluster refuses what touches keys of several slots. */
const cluster = ['--cluster-enabled', 'yes'];
/** A disk that need not survive this. */
const quickly = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
let server: RedisServer;
let sites = 0;

/** A spool of its own in the one Redis. BullMQ has the system's clock, which therefore says what the test's says. */
async function createSite(): Promise<Site> {
  const random = seeded(`ids ${sites}`);
  const name = `site${sites++}`;
  return {
    open(clock, options = {}) {
      vi.spyOn(Date, 'now').mockImplementation(() => clock.now());
      const { maxBytes = 500_000_000 } = options;
      const connection = { path: server.socket };
      return openRedisSpool({ connection, name, clock, random, leaseMs: 60_000, maxBytes });
    },
    async dispose() {
      vi.restoreAllMocks();
      await server.ask('FLUSHALL');
    },
  };
}

describe.skipIf(!haveRedis)('in Redis', () => {
  beforeAll(async () => {
    server = await redisServer(await mkdtemp(join(quickly, 'postern-redis-')), cluster);
    await server.ask('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  });
  afterAll(() => server.stop());

  spoolContract('Redis', createSite);
  returnsContract('Redis', createSite);
  crashContract('Redis', async () => ({
    place: ['redis', server.socket],
    open: () =>
      openRedisSpool({
        connection: { path: server.socket },
        name: 'crash',
        clock: systemClock,
        random: seeded('after'),
        maxBytes: 500_000_000,
      }),
    async between() {
      await server.kill();
      await server.start();
    },
    dispose: async () => void (await server.ask('FLUSHALL')),
  }));
});
