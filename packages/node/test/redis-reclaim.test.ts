import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemRandom } from '@postern/runtime';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createJobs, type Jobs } from '../src/queue/redis/jobs.ts';
import { openSession, type Session } from '../src/queue/redis/session.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';

const prefix = '{postern:test}';
const id = 'ab'.repeat(16);

describe.skipIf(!haveRedis)('the jobs of a process that died', () => {
  let server: RedisServer;
  let session: Session;
  beforeAll(async () => {
    server = await startRedis(await mkdtemp(join(tmpdir(), 'postern-redis-')));
    session = await openSession({
      connection: { path: server.socket },
      prefix,
      review: { assert: async () => undefined, assertTime: async () => undefined },
      skewMs: 30_000,
      onWake: () => undefined,
      presence: 'test',
    });
  });
  afterAll(async () => {
    await session.close();
    await server.stop();
  });
  afterEach(async () => void (await server.ask('FLUSHALL')));

  const jobsOf = (process: string): Jobs =>
    createJobs({
      random: systemRandom,
      process: () => process,
      head: () => [prefix, 'spool', Date.now(), process],
    });

  test.each<[string, (other: Jobs) => Promise<unknown>]>([
    ['given back', async () => undefined],
    ['taken', (other) => other.take(session, 'relays', 1)],
    [
      'taken, and ended',
      async (other) => {
        await other.take(session, 'relays', 1);
        await other.end(session, 'relays', id);
      },
    ],
  ])('may be reclaimed by two others at once: by then the first has them %s', async (_, then) => {
    await server.ask('HSET', `${prefix}:spool`, 'id', 'spool');
    await jobsOf('dead').run(session, [{ kind: 'add', queue: 'relays', id }]);
    expect(await jobsOf('dead').take(session, 'relays', 1)).toEqual([id]);
    const [one, other] = [jobsOf('one'), jobsOf('other')];
    const { redis } = session;
    const state = () => session.lines.relays.queue.getJobState(id);
    let between = '';
    const slow: Partial<Redis> = {
      lrange: (key, from, to) => redis.lrange(key, from, to),
      async get(key) {
        const lock = await redis.get(key);
        await other.reclaim(session, 'dead');
        await then(other);
        between = await state();
        return lock;
      },
    };
    await one.reclaim({ ...session, redis: slow as Redis }, 'dead');
    expect(between).not.toBe('');
    expect(await state()).toBe(between);
  });
});
