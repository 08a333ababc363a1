import { silentLog } from '@postern/runtime';
import { storesFolder } from '@postern/runtime/testing';
import { afterAll, beforeAll, describe, vi } from 'vitest';
import { openRedisSpool } from '../src/queue/redis/spool.ts';
import { haveRedis, type RedisServer, startRedis, startRedisCluster } from '../src/testing/redis.ts';
import { openAt } from './redis-spool.ts';
import { type Site, spoolContract } from './spool-contract.ts';
import { crashContract } from './spool-crash.ts';
import { returnsContract } from './spool-returns.ts';
import { seeded } from './support.ts';

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
      return openRedisSpool({
        connection,
        name,
        nodeId: 'ab'.repeat(32),
        clock,
        random,
        log: silentLog,
        leaseMs: 60_000,
        maxBytes,
        skewMs: Number.POSITIVE_INFINITY,
      });
    },
    async dispose() {
      vi.restoreAllMocks();
      await server.ask('FLUSHALL');
    },
  };
}

const newFolder = () => storesFolder('redis');

describe.skipIf(!haveRedis)('in Redis', () => {
  beforeAll(async () => {
    server = await startRedisCluster(await newFolder());
  });
  afterAll(() => server.stop());

  spoolContract('Redis', createSite);
  returnsContract('Redis', createSite);
});

describe.skipIf(!haveRedis)('in Redis', () => {
  crashContract('Redis', async () => {
    const killed = await startRedis(await newFolder());
    return {
      place: ['redis', killed.socket],
      open: () => openAt(killed.socket, { name: 'crash', random: seeded('after') }),
      async between() {
        await killed.kill();
        await killed.start();
      },
      dispose: () => killed.stop(),
    };
  });
});
