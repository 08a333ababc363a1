import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Spool } from '../src/spool.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { openAt } from './redis-spool.ts';
import { unit } from './spool-contract.ts';
import { until } from './support.ts';

const prefix = '{postern:test}';

/** Redis refuses a user what touches keys of some names: that is how a Redis looks that refuses one command, and takes the next. */
describe.skipIf(!haveRedis)('what Redis refuses for a while is made good without a sweep', () => {
  let server: RedisServer;
  let spool: Spool;
  const mayTouch = (...names: string[]): Promise<unknown> =>
    server.ask('ACL', 'SETUSER', 'node', 'resetkeys', ...names.map((name) => `~${prefix}:${name}`));
  const active = (): Promise<unknown> => server.ask('LLEN', `${prefix}:jobs:packet:active`);

  beforeAll(async () => {
    server = await startRedis(await mkdtemp(join(tmpdir(), 'postern-redis-')));
  });
  afterAll(() => server.stop());
  beforeEach(async () => {
    await server.ask('ACL', 'SETUSER', 'node', 'on', '>secret', '~*', '&*', '+@all');
    const connection = { path: server.socket, username: 'node', password: 'secret' };
    // BullMQ looks for such jobs by itself: not while these tests run.
    spool = await openAt(server.socket, { connection, stalledMs: 3_600_000 });
  });
  afterEach(async () => {
    await spool.close();
    await server.ask('FLUSHALL');
  });

  test('a job that could not be made', async () => {
    const rows = ['spool', 'input:*', 'bytes:*', 'inputs', 'outbox', 'sums', 'epochs', 'over', 'returns'];
    await mayTouch(...rows);
    await spool.accept(unit());
    await expect(spool.claimInputs('packet', 1)).rejects.toMatchObject({ code: 'spool-fault' });
    await mayTouch('*');
    await until(async () => (await spool.claimInputs('packet', 1)).length === 1);
  });

  test('a job that was taken, and whose row could not be claimed', async () => {
    await spool.accept(unit());
    await until(async () => (await server.ask('ZCARD', `${prefix}:jobs:packet:prioritized`)) === 1);
    await mayTouch('spool', 'jobs:*');
    await expect(spool.claimInputs('packet', 1)).rejects.toMatchObject({ code: 'spool-fault' });
    expect(await active()).toBe(1);
    await mayTouch('*');
    await until(async () => (await spool.claimInputs('packet', 1)).length === 1);
    await until(async () => (await active()) === 0);
  });

  test('rows that were claimed before another could not be are in their caller’s hands', async () => {
    for (let count = 0; count < 65; count++) await spool.accept(unit());
    const jobs = `${prefix}:jobs:packet:prioritized`;
    await until(async () => (await server.ask('ZCARD', jobs)) === 65);
    // Jobs are taken by up to 64: the last one's row is none.
    const [last = ''] = (await server.ask('ZRANGE', jobs, '-1', '-1')) as string[];
    await server.ask('DEL', `${prefix}:input:${last}`);
    await server.ask('SET', `${prefix}:input:${last}`, 'none');
    expect(await spool.claimInputs('packet', 65)).toHaveLength(64);
    await server.ask('DEL', `${prefix}:input:${last}`);
    // Now it has gone, and so does its job.
    await until(async () => {
      expect(await spool.claimInputs('packet', 1)).toEqual([]);
      return (await server.ask('EXISTS', `${prefix}:jobs:packet:${last}`)) === 0;
    });
  });
});
