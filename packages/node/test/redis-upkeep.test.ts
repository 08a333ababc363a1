import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Random, systemRandom } from '@postern/runtime';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { tagBytes } from '../src/queue/redis/lua/rows.ts';
import type { Spool } from '../src/spool.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { openAt } from './redis-spool.ts';
import { fragment, relayVerdict, unit } from './spool-contract.ts';
import { seeded } from './support.ts';

describe.skipIf(!haveRedis)('a spool in Redis, as it is swept', () => {
  let server: RedisServer;
  let redis: Redis;
  beforeAll(async () => {
    server = await startRedis(await mkdtemp(join(tmpdir(), 'postern-upkeep-')));
    redis = new Redis({ path: server.socket });
  });
  afterAll(async () => {
    await redis.quit();
    await server.stop();
  });
  afterEach(async () => void (await server.ask('FLUSHALL')));

  /** Takes an input in and settles it. */
  async function settle(
    spool: Spool,
    kind: 'packet' | 'exit',
    verdict: Parameters<typeof spool.settle>[1],
  ): Promise<void> {
    await spool.accept(unit(kind));
    const [input] = await spool.claimInputs(kind, 1);
    await spool.settle(input?.id ?? '', verdict);
  }
  const keys = async (): Promise<string[]> => (await redis.keys('{postern:test}:*')).sort();

  test('an input that is behind all others comes to its turn, however many come', async () => {
    // The first gets the last place there is, and those that come later better ones.
    let drawn = 0;
    const chance = seeded('turns');
    const random: Random = {
      bytes(length) {
        if (length !== 4) return systemRandom.bytes(length);
        const bytes = chance.bytes(4);
        if (drawn++ === 0) new DataView(bytes.buffer).setUint32(0, 2 ** 21 - 2);
        return bytes;
      },
    };
    await using spool = await openAt(server.socket, { random });
    const late = unit();
    await spool.accept(late);
    const taken = async (): Promise<boolean> => {
      await spool.accept(unit());
      const [input] = await spool.claimInputs('packet', 1);
      await spool.settle(input?.id ?? '', { kind: 'refused' });
      return Buffer.compare(input?.bytes ?? new Uint8Array(), late.bytes) === 0;
    };
    for (let n = 0; n < 30; n++) expect(await taken()).toBe(false);
    const place = () => redis.zrange('{postern:test}:jobs:packet:prioritized', '0', '-1', 'WITHSCORES');
    const [id = '', before] = await place();
    await spool.sweep();
    const [, after] = await place();
    expect(after).not.toBe(before);
    // BullMQ is told the same, and notes no order among equals.
    expect(Number(after) / 2 ** 32).toBe(
      Number(await redis.hget(`{postern:test}:jobs:packet:${id}`, 'priority')),
    );
    let turns = 1;
    while (!(await taken())) {
      turns += 1;
      await spool.sweep();
    }
    expect(turns).toBeLessThan(20);
  });

  test('Redis does not tell when what waits came', async () => {
    await using spool = await openAt(server.socket);
    const expires = Math.floor(Date.now() / 1_000) + 86_400;
    const over = fragment({ expires });
    await settle(spool, 'packet', relayVerdict());
    await settle(spool, 'exit', { kind: 'fragment', fragment: over });
    await spool.sets.finish(Buffer.from(over.setId).toString('hex'));
    await settle(spool, 'exit', { kind: 'fragment', fragment: fragment({ expires }) });
    await settle(spool, 'exit', { kind: 'fragment', fragment: fragment({ expires, k: 2, n: 2 }) });
    await spool.accept(unit('exit'));
    await spool.accept(unit());
    const { relay } = relayVerdict({ next: { kind: 'domain', domain: 'b.test' } });
    const token = '0'.repeat(32);
    await spool.submit({
      relay,
      token,
      author: 'alice@a.test',
      tokenExpiresMs: Date.now() + 86_400_000,
    });
    await spool.sweep();
    const rows = (await keys()).filter((key) => /[0-9a-f]{32}$/.test(key) && !/:(held|process):/.test(key));
    expect(new Set(rows.map((key) => key.replace(/[0-9a-f]{32}$/, '').split('}:')[1]))).toEqual(
      new Set(
        'input bytes relay set fragments return carriages carriage jobs:packet jobs:exit jobs:relays jobs:sets'
          .split(' ')
          .map((name) => `${name}:`),
      ),
    );
    // As if they had lain there for long.
    for (const key of rows) {
      const bytes = await redis.dumpBuffer(key);
      await redis.restore(key, 0, bytes ?? '', 'REPLACE', 'IDLETIME', 9_000);
    }
    const idle = async () => Promise.all(rows.map((key) => redis.object('IDLETIME', key)));
    expect((await idle()).map(Number).every((seconds) => seconds >= 9_000)).toBe(true);
    await spool.sweep();
    expect((await idle()).map(Number).filter((seconds) => seconds >= 9_000)).toEqual([]);
  });

  test('replay tags count towards what it may hold', async () => {
    const tags = 40;
    await using spool = await openAt(server.socket, { maxBytes: tags * tagBytes - 1 });
    for (let n = 0; n < tags; n++) {
      await settle(spool, 'packet', relayVerdict({}, n % 2));
      const [relay] = await redis.smembers('{postern:test}:relays');
      await spool.relays.finish(relay ?? '');
    }
    expect(await spool.counts()).toMatchObject({ inputs: 0, relays: 0 });
    await expect(spool.accept(unit())).rejects.toMatchObject({ code: 'spool-full' });
    await spool.forgetTags(1);
    await spool.accept(unit());
  });

  test('a tag takes no more of the memory than is counted for it', async () => {
    const used = async () => Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1]);
    const before = await used();
    // The worst moment is when the table has just grown.
    const count = 66_000;
    for (let n = 0; n < count; n += 1_000) {
      const tags = Array.from({ length: 1_000 }, () => Buffer.from(systemRandom.bytes(32)));
      await redis.sadd('tags', ...tags);
    }
    expect(((await used()) - before) / count).toBeLessThan(tagBytes + 1);
  });

  test('of a job that has ended, or was there already, BullMQ leaves nothing', async () => {
    await using spool = await openAt(server.socket);
    await spool.accept(unit());
    await spool.sweep();
    const [id] = await redis.smembers('{postern:test}:inputs');
    // A process died after it had the job follow, and before it noted that.
    await redis.sadd('{postern:test}:outbox', `packet:${id}`);
    await redis.config('RESETSTAT');
    await spool.sweep();
    expect(await redis.info('commandstats')).not.toContain('cmdstat_xadd');
    // A row that went with its process, whose job is still there.
    await redis.srem('{postern:test}:inputs', id ?? '');
    await redis.del(`{postern:test}:input:${id}`, `{postern:test}:bytes:${id}`);
    expect(await spool.claimInputs('packet', 1)).toEqual([]);
    await spool.relays.nextDue();
    expect((await keys()).filter((key) => /:jobs:packet:(?!meta|marker|stalled)/.test(key))).toEqual([]);
  });
});
