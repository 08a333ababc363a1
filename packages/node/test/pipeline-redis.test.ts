import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { startNetwork, type TestNetwork } from './network.ts';
import { message, seeded, until } from './support.ts';

const random = seeded('pipeline on Redis');

describe.skipIf(!haveRedis)('three mixes and a gateway over one Redis', () => {
  let redis: RedisServer;
  let network: TestNetwork;
  beforeAll(async () => {
    redis = await startRedis(await mkdtemp(join(tmpdir(), 'postern-redis-')));
    network = await startNetwork({
      spool: { store: 'redis', max_size: '100MB', redis: { url: `unix:${redis.socket}` } },
    });
  });
  afterAll(async () => {
    await network[Symbol.asyncDispose]();
    await redis.stop();
  });

  const drained = async (): Promise<boolean> => {
    const statuses = await Promise.allSettled([...network.nodes.values()].map((node) => node.status()));
    return statuses.every(
      (one) => one.status === 'fulfilled' && Object.values(one.value.counts).every((count) => count === 0),
    );
  };

  test('a message arrives once, though Redis and then a mix are killed while it is on its way', async () => {
    const sealed = message(random, 300_000);
    const packets = await network.packets(sealed, { mailbox: 'bob@b.test', delayMs: 300 });
    const send = async (): Promise<string[]> =>
      Promise.all(packets.map(async ({ first, packet }) => (await network.handOver(first, packet)).kind));
    expect(new Set(await send())).toEqual(new Set(['sent']));
    await redis.kill();
    expect(await send()).not.toContain('sent');
    await redis.start();
    const [one] = packets;
    await network.nodes.get(one?.first.name ?? '')?.close();
    await network.start(one?.first.name ?? '');
    // An author who got no 250 hands the same over again.
    await until(async () => new Set(await send()).size === 1);
    await until(async () => (await network.mailbox('bob')).length > 0);
    await until(drained);
    expect(await network.mailbox('bob')).toEqual([Buffer.from(sealed)]);
  });
});
