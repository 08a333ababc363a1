import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, silentLog, systemClock, systemRandom } from '@postern/runtime';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { openEpochs } from '../src/epochs.ts';
import type { Network } from '../src/network.ts';
import type { Spool } from '../src/spool.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { openAt } from './redis-spool.ts';
import { relayVerdict, unit } from './spool-contract.ts';

const hourMs = 3_600_000;

describe.skipIf(!haveRedis)('a process over Redis whose clock goes wrong', () => {
  let server: RedisServer;
  let aheadMs = 0;
  const clock: Clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
  beforeAll(async () => {
    server = await startRedis(await mkdtemp(join(tmpdir(), 'postern-redis-')));
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    aheadMs = 0;
    await server.ask('FLUSHALL');
  });

  /** Everything that a spool would lose or give to another. */
  async function rows(): Promise<readonly (readonly [key: string, dump: unknown])[]> {
    const keys = ((await server.ask('KEYS', '*')) as string[]).filter((key) => !key.includes(':jobs:'));
    return Promise.all(keys.sort().map(async (key) => [key, await server.ask('DUMP', key)] as const));
  }
  const namesBothTimes = /its clock says \S+Z, and that of this node \S+Z$/;

  type Step = (spool: Spool, input: string) => Promise<unknown>;
  test.each<[name: string, jumpMs: number, step: Step]>([
    ['forgets no replay tags', 24 * hourMs, (spool) => spool.forgetTags(1_000_000)],
    ['refuses no input', 24 * hourMs, (spool, input) => spool.settle(input, { kind: 'refused' })],
    ['makes no relay of an input', -hourMs, (spool, input) => spool.settle(input, relayVerdict())],
    ['drops no relay as expired', 10_000 * hourMs, (spool) => spool.sweep()],
    ['takes nothing that others hold', hourMs, (spool) => spool.claimInputs('packet', 9)],
    ['destroys no keys', hourMs, (spool) => spool.sync()],
  ])('%s, and ends, and the others go on', async (_, jumpMs, step) => {
    await using right = await openAt(server.socket);
    await using wrong = await openAt(server.socket, { clock });
    for (let n = 0; n < 3; n++) await right.accept(unit());
    const [first, held] = await right.claimInputs('packet', 2);
    await right.settle(first?.id ?? '', relayVerdict({ dueMs: systemClock.now() + hourMs }));
    const [input] = await wrong.claimInputs('packet', 1);
    const before = await rows();
    expect(before.filter(([key]) => key.includes(':tags:'))).toHaveLength(1);
    aheadMs = jumpMs;
    const refused = { code: 'spool-unsafe', message: expect.stringMatching(namesBothTimes) };
    await expect(step(wrong, input?.id ?? '')).rejects.toMatchObject(refused);
    expect(await wrong.broken).toMatchObject({ ...refused, hint: expect.stringContaining('NTP') });
    expect(await rows()).toEqual(before);
    expect((await right.settle(held?.id ?? '', relayVerdict())).kind).toBe('waiting');
  });

  test('has the mix keys still that it had', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'postern-clock-'));
    onTestFinished(() => rm(dataDir, { recursive: true }));
    await using spool = await openAt(server.socket, { clock });
    const network = { epochSeconds: 3_600 } as Network;
    const common = { clock, random: systemRandom, log: silentLog, dataDir, nodeId: new Uint8Array(32) };
    const epochs = await openEpochs({ ...common, network, spool, mix: true, peels: true, newest: undefined });
    const opened: number[] = [];
    epochs.onChange(async (setup) => void opened.push(setup.keys.length));
    const keys = () => readdir(join(dataDir, 'mix-keys'));
    const before = [await keys(), epochs.current()];
    aheadMs = 24 * hourMs;
    const loop = epochs.start(() => undefined);
    expect(await spool.broken).toMatchObject({ code: 'spool-unsafe' });
    await loop.stop();
    expect([await keys(), epochs.current()]).toEqual(before);
    expect(opened).toEqual([]);
  });

  test('is told from a Redis that stood still', async () => {
    let late = false;
    const now = (): number => {
      const stoodMs = late ? 31_000 : 0;
      late = false;
      return systemClock.now() - stoodMs;
    };
    await using spool = await openAt(server.socket, { clock: { ...systemClock, now } });
    late = true;
    await expect(spool.counts()).rejects.toMatchObject({ code: 'spool-io' });
    expect(await spool.counts()).toMatchObject({ inputs: 0 });
  });
});
