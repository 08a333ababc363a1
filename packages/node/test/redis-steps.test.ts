import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { NodeError } from '../src/errors.ts';
import type { Spool } from '../src/spool.ts';
import { crashRelay, crashUnit } from './crash-units.ts';
import { cuttingProxy } from './cutting-proxy.ts';
import { haveRedis, type RedisServer, redisServer } from './redis-server.ts';
import { openAt } from './redis-spool.ts';
import { until } from './support.ts';

/** What the life of one packet came to, as far as its process saw before it died. */
interface Seen {
  readonly accepted: boolean;
  readonly settled: boolean;
  readonly finished: boolean;
  /** What it had asked for last. */
  readonly asked: 'accept' | 'claim' | 'settle' | 'finish' | 'all';
}

/** One packet from the first to the last step, as far as its process gets. */
async function live(spool: Spool): Promise<Seen> {
  let seen: Seen = { accepted: false, settled: false, finished: false, asked: 'accept' };
  const note = (more: Partial<Seen>): void => {
    seen = { ...seen, ...more };
  };
  try {
    await spool.accept(crashUnit(1));
    note({ accepted: true, asked: 'claim' });
    const [input] = await spool.claimInputs('packet', 1);
    note({ asked: 'settle' });
    const settled = await spool.settle(input?.id ?? '', crashRelay(1));
    if (settled.kind !== 'waiting') throw new Error(settled.kind);
    note({ settled: true });
    await spool.relays.release([settled.waiting.id]);
    note({ asked: 'claim' });
    const [relay] = await spool.relays.claim(1);
    note({ asked: 'finish' });
    await spool.relays.finish(relay?.id ?? '');
    note({ finished: true, asked: 'all' });
  } catch (error) {
    if (!(error instanceof NodeError) || error.code !== 'spool-io') throw error;
  }
  return seen;
}

/** What may be left of the packet: its process knows unless the answer was lost that would have told. */
function expectedOf({ finished, asked }: Seen): { least: number; most: number } {
  if (finished) return { least: 0, most: 0 };
  return { least: asked === 'accept' || asked === 'finish' ? 0 : 1, most: 1 };
}

describe.skipIf(!haveRedis)('death at any exchange with Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await redisServer(await mkdtemp(join(tmpdir(), 'postern-steps-')));
  });
  afterAll(() => server.stop());
  afterEach(async () => void (await server.ask('FLUSHALL')));

  test.each([
    ['the process', 'before'],
    ['the process', 'after'],
    ['Redis', 'before'],
    ['Redis', 'after'],
  ] as const)(
    'leaves the packet to others once, as input or as relay: of %s, %s the exchange is done',
    async (dead, when) => {
      let exchanges = 0;
      for (let whole = false; !whole; exchanges++) {
        let killed: Promise<void> | undefined;
        await using proxy = await cuttingProxy(`${server.socket}.${exchanges}`, server.socket, () => {
          if (dead === 'Redis') killed = server.kill();
        });
        const dying = await openAt(proxy.socket);
        proxy.cutAt(exchanges, when);
        const seen = await live(dying);
        whole = !proxy.hasCut;
        await dying.close();
        await killed;
        if (killed !== undefined) await server.start();

        await using spool = await openAt(server.socket);
        const left = await work(spool, seen);
        const { least, most } = expectedOf(seen);
        expect(left).toBeGreaterThanOrEqual(least);
        expect(left).toBeLessThanOrEqual(most);
        await server.ask('FLUSHALL');
      }
      // Each of the five calls is at least one.
      expect(exchanges).toBeGreaterThan(10);
    },
  );

  /** Works off what is left, and says how many packets that were. */
  async function work(spool: Spool, { settled }: Seen): Promise<number> {
    const { inputs, relays } = await spool.counts();
    const left = inputs + relays;
    if (left === 0) return 0;
    expect(settled ? inputs : 0).toBe(0);
    await until(async () => {
      // The death of a process may be known a moment later.
      await spool.sweep();
      for (const input of await spool.claimInputs('packet', 9)) {
        expect(Buffer.compare(input.bytes, crashUnit(1).bytes)).toBe(0);
        const taken = await spool.settle(input.id, crashRelay(1));
        if (taken.kind !== 'waiting') throw new Error(taken.kind);
        await spool.relays.release([taken.waiting.id]);
      }
      for (const { id } of await spool.relays.claim(9)) await spool.relays.finish(id);
      const now = await spool.counts();
      return now.inputs + now.relays === 0;
    });
    // Its tag is there, whoever put it there.
    await spool.accept(crashUnit(1));
    const [again] = await spool.claimInputs('packet', 1);
    expect((await spool.settle(again?.id ?? '', crashRelay(1))).kind).toBe('replayed');
    return left;
  }
});
