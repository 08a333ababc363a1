import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLog, systemClock } from '@postern/runtime';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { keepEndings } from '../src/queue/endings.ts';
import type { Spool, SpoolId } from '../src/spool.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { openAt } from './redis-spool.ts';
import { relayVerdict, unit } from './spool-contract.ts';
import { until } from './support.ts';

describe.skipIf(!haveRedis)('ends of claims that Redis did not answer', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis(await mkdtemp(join(tmpdir(), 'postern-redis-')));
  });
  afterAll(() => server.stop());
  afterEach(async () => void (await server.ask('FLUSHALL')));

  async function openSpool(): Promise<Spool> {
    return keepEndings(await openAt(server.socket), { clock: systemClock, log: silentLog });
  }

  async function holdRelay(spool: Spool): Promise<SpoolId> {
    await spool.accept(unit());
    const [input] = await spool.claimInputs('packet', 1);
    const settled = await spool.settle(input?.id ?? '', relayVerdict({ dueMs: 0 }));
    if (settled.kind !== 'waiting') throw new Error(settled.kind);
    return settled.waiting.id;
  }

  test('a relay that was handed over while Redis was gone is not handed over again once it is back', async () => {
    await using spool = await openSpool();
    const id = await holdRelay(spool);
    await server.kill();
    await expect(spool.relays.finish(id)).rejects.toMatchObject({ code: 'spool-io' });
    await server.start();
    await until(async () => {
      expect(await spool.relays.claim(1).catch(() => [])).toEqual([]);
      return (await spool.counts().catch(() => undefined))?.relays === 0;
    });
  });

  test('a relay that is claimed anew once Redis is back keeps that claim', async () => {
    await using spool = await openSpool();
    const id = await holdRelay(spool);
    await server.kill();
    const later = 3_600_000 * Math.ceil(Date.now() / 3_600_000 + 1);
    await expect(spool.relays.retry(id, later)).rejects.toMatchObject({ code: 'spool-io' });
    await server.start();
    const row = () => server.ask('HMGET', `{postern:test}:relay:${id}`, 'due', 'attempts');
    await until(async () => {
      const [relay] = await spool.relays.claim(1).catch(() => []);
      return relay !== undefined || String(await row()) === `${later},1`;
    });
    // Either end came first, and only one of the two.
    const [due, attempts] = (await row()) as string[];
    const held = await server.ask('HEXISTS', `{postern:test}:relay:${id}`, 'claim');
    expect([due === String(later), attempts === '1']).toEqual([held === 0, held === 0]);
  });
});
