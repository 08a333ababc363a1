import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { dueGridMs, relayExpiresGridMs, type Spool } from '../src/spool.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { openAt } from './redis-spool.ts';
import { relayVerdict, unit } from './spool-contract.ts';
import { type FakeClock, fakeClock, seeded, until } from './support.ts';

// An odd moment: its digits would stand out among coarse times.
const start = Date.UTC(2031, 4, 17, 11, 23, 41, 357);
const count = 24;
const jobKey = /:jobs:relays:([0-9a-f]{32})$/;

describe.skipIf(!haveRedis)('a Redis at rest', () => {
  let server: RedisServer;
  let clock: FakeClock;
  let spool: Spool;
  beforeEach(async () => {
    server = await startRedis(await mkdtemp(join(tmpdir(), 'postern-rest-')));
    clock = fakeClock(start);
    vi.spyOn(Date, 'now').mockImplementation(() => clock.now());
    spool = await openAt(server.socket, {
      clock,
      random: seeded('rest'),
      skewMs: Number.POSITIVE_INFINITY,
    });
  });
  afterEach(async () => {
    vi.restoreAllMocks();
    await spool.close();
    await server.stop();
  });

  async function everythingAtRest(): Promise<Buffer> {
    const names = await readdir(server.dir, { recursive: true, withFileTypes: true });
    const files = names.filter((one) => one.isFile()).map((one) => join(one.parentPath, one.name));
    // Redis removes a file that it has written anew a moment later.
    return Buffer.concat(await Promise.all(files.map((path) => readFile(path).catch(() => Buffer.alloc(0)))));
  }

  /** Whether a piece of `needle` occurs in `hay`: 16 bytes out of every 512. */
  function sharesBytes(hay: Buffer, needle: Uint8Array): boolean {
    for (let at = 0; at + 16 <= needle.length; at += 512)
      if (hay.includes(Buffer.from(needle.subarray(at, at + 16)))) return true;
    return false;
  }

  /** Relays that wait, given back by whoever settled them. */
  async function relayed(): Promise<{ inputs: Uint8Array[]; ids: string[]; outputs: Uint8Array[] }> {
    const inputs: Uint8Array[] = [];
    const outputs: Uint8Array[] = [];
    const ids: string[] = [];
    for (let i = 0; i < count; i++) {
      const one = unit();
      const verdict = relayVerdict({ dueMs: clock.now() + 700_000, expiresMs: clock.now() + 400_000_000 });
      await spool.accept(one);
      const [input] = await spool.claimInputs('packet', 1);
      const settled = await spool.settle(input?.id ?? '', verdict);
      if (settled.kind !== 'waiting') throw new Error(settled.kind);
      await spool.relays.release([settled.waiting.id]);
      inputs.push(one.bytes);
      outputs.push(verdict.relay.bytes);
      ids.push(settled.waiting.id);
      await clock.advance(11);
    }
    return { inputs, outputs, ids };
  }

  test('once swept, not a byte of a settled input is left in any file, and the relays are there', async () => {
    const { inputs, outputs } = await relayed();
    const before = await everythingAtRest();
    expect(inputs.every((bytes) => sharesBytes(before, bytes))).toBe(true);
    await spool.sweep();
    await until(async () => {
      const hay = await everythingAtRest();
      return inputs.every((bytes) => !sharesBytes(hay, bytes));
    });
    const hay = await everythingAtRest();
    expect(outputs.every((bytes) => sharesBytes(hay, bytes))).toBe(true);
    const places = outputs.map((bytes) => hay.indexOf(Buffer.from(bytes.subarray(20_000, 20_016))));
    expect(ascents(places)).toBeGreaterThan(4);
    expect(ascents(places)).toBeLessThan(19);
  });

  test('inputs wait in no order of arrival, though they came at the same time', async () => {
    const units = Array.from({ length: count }, () => unit());
    await Promise.all(units.map((one) => spool.accept(one)));
    await spool.sweep();
    const waiting = (await server.ask(
      'ZRANGE',
      '{postern:test}:jobs:packet:prioritized',
      '0',
      '-1',
      'WITHSCORES',
    )) as [string, string][];
    expect(waiting).toHaveLength(count);
    expect(waiting.map(([, score]) => Number(score) % 2 ** 32)).toEqual(waiting.map(() => 0));
    const inputs = await spool.claimInputs('packet', count);
    const places = inputs.map(({ bytes }) =>
      units.findIndex((one) => Buffer.compare(one.bytes, bytes) === 0),
    );
    expect(ascents(places)).toBeGreaterThan(4);
    expect(ascents(places)).toBeLessThan(19);
  });

  test('beside a relay lies no time finer than the grids, no order of arrival and nothing that its input had', async () => {
    const { ids } = await relayed();
    await spool.sweep();
    const keys = ((await server.ask('KEYS', '*')) as string[]).map((key) =>
      key.replace('{postern:test}:', ''),
    );
    const kinds = new Set(keys.map((key) => key.replace(/[0-9a-f]{32}$/, '*')));
    expect([...kinds].sort()).toEqual(
      [
        'bytes:*',
        'epochs',
        'expiring',
        'jobs:exit:meta',
        'jobs:exit:stalled-check',
        'jobs:packet:marker',
        'jobs:packet:meta',
        'jobs:packet:stalled-check',
        'jobs:relays:*',
        'jobs:relays:delayed',
        'jobs:relays:marker',
        'jobs:relays:meta',
        'jobs:relays:stalled-check',
        'jobs:sets:meta',
        'jobs:sets:stalled-check',
        'processes',
        'relay:*',
        'relays',
        'spool',
        'sums',
        'tags:7',
      ].sort(),
    );
    const hash = async (key: string): Promise<Record<string, string>> => {
      const pairs = (await server.ask('HGETALL', `{postern:test}:${key}`)) as string[];
      return Object.fromEntries(
        pairs.flatMap((name, at) => (at % 2 === 0 ? [[name, pairs[at + 1] ?? '']] : [])),
      );
    };
    for (const id of ids) {
      const row = await hash(`relay:${id}`);
      expect(Object.keys(row).sort()).toEqual(['attempts', 'due', 'expires', 'next']);
      expect([Number(row.due) % dueGridMs, Number(row.expires) % relayExpiresGridMs, row.attempts]).toEqual([
        0,
        0,
        '0',
      ]);
      const job = await hash(`jobs:relays:${id}`);
      const { opts = '', ...rest } = job;
      expect(rest).toEqual({ name: 'relays', data: 'null', timestamp: '1', priority: '0' });
      // BullMQ keeps the times to which a job was put, which were the row's.
      const kept = JSON.parse(opts) as { delay: number; timestamp: number };
      expect([(kept.delay + kept.timestamp) % 60_000, kept.timestamp]).toEqual([0, 1]);
    }
    const delayed = (await server.ask(
      'ZRANGE',
      '{postern:test}:jobs:relays:delayed',
      '0',
      '-1',
      'WITHSCORES',
    )) as [string, string][];
    const order = delayed.map(([id]) => id);
    const scores = delayed.map(([, score]) => Number(score));
    expect(scores.every((score) => score % (4_096 * dueGridMs) === 0)).toBe(true);
    expect([...order].sort()).toEqual([...ids].sort());
    const scoreOf = (id: string): number => scores[order.indexOf(id)] ?? 0;
    // Those of one second lie by their ids, which are random.
    expect(order).toEqual([...order].sort((a, b) => scoreOf(a) - scoreOf(b) || (a < b ? -1 : 1)));
    const times = JSON.stringify(await Promise.all(keys.filter((key) => jobKey.test(key)).map(hash)));
    expect(times).not.toContain(String(start).slice(0, 8));
  });
});

/** Neighbours in rising order: nearly all or nearly none when the order follows arrival, about half when it is random. */
function ascents(places: readonly number[]): number {
  return places.filter((place, at) => at > 0 && place > (places[at - 1] ?? 0)).length;
}
