import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { NodeError } from '../src/errors.ts';
import type { Spool } from '../src/spool.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { cuttingProxy } from './cutting-proxy.ts';
import { openAt } from './redis-spool.ts';
import { type Ask, lives, workOff } from './spool-lives.ts';

/** How far a process got: what had been answered, and what it had asked for last. */
interface Seen {
  readonly answered: ReadonlySet<string>;
  readonly asked: string;
}

async function live(spool: Spool, steps: (spool: Spool, ask: Ask) => Promise<void>): Promise<Seen> {
  const answered = new Set<string>();
  let asked = '';
  const ask: Ask = async (name, work) => {
    asked = name;
    const answer = await work();
    answered.add(name);
    return answer;
  };
  try {
    await steps(spool, ask);
  } catch (error) {
    if (!(error instanceof NodeError) || error.code !== 'spool-io') throw error;
  }
  return { answered, asked };
}

describe.skipIf(!haveRedis)('death at any exchange with Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis(await mkdtemp(join(tmpdir(), 'postern-steps-')));
  });
  afterAll(() => server.stop());
  afterEach(async () => void (await server.ask('FLUSHALL')));

  test.each([
    ['packet', 'the process', 'before'],
    ['packet', 'the process', 'after'],
    ['packet', 'Redis', 'before'],
    ['packet', 'Redis', 'after'],
    ['message', 'Redis', 'after'],
    ['submission', 'the process', 'after'],
  ] as const)(
    'leaves all of a %s to others, and once: of %s, %s the exchange is done',
    async (of, dead, when) => {
      const { steps, sent, ends } = lives[of];
      let exchanges = 0;
      for (let whole = false; !whole; exchanges++) {
        let killed: Promise<void> | undefined;
        await using proxy = await cuttingProxy(`${server.socket}.${exchanges}`, server.socket, () => {
          if (dead === 'Redis') killed = server.kill();
        });
        // One that is there already finds out by sweeping, and one that comes looks at everything.
        await using witness = dead === 'Redis' ? undefined : await openAt(server.socket);
        const dying = await openAt(proxy.socket);
        proxy.cutAt(exchanges, when);
        const { answered, asked } = await live(dying, steps);
        whole = !proxy.hasCut;
        await dying.close();
        await killed;
        if (killed !== undefined) await server.start();

        await using heir = witness === undefined ? await openAt(server.socket) : undefined;
        const spool = (witness ?? heir) as Spool;
        // Who got no answer sends the same again.
        for (const [step, send] of Object.entries(sent)) if (!answered.has(step)) await send(spool);
        const found = await workOff(spool);
        for (const [what, end] of Object.entries(ends)) {
          const times = found.filter((one) => one === what).length;
          const least = answered.has(end.step) || asked === end.step ? 0 : 1;
          const most = answered.has(end.step) ? 0 : asked === end.twice ? 2 : 1;
          expect({ what, asked, times, within: times >= least && times <= most }).toMatchObject({
            within: true,
          });
        }
        expect(found.filter((what) => !(what in ends))).toEqual([]);
        // And once more, of which nothing comes.
        const twice = Object.values(ends).map((end) => end.twice);
        for (const [step, send] of Object.entries(sent)) if (!twice.includes(step)) await send(spool);
        expect(await workOff(spool)).toEqual([]);
        await server.ask('FLUSHALL');
      }
      // Each call is at least one.
      expect(exchanges).toBeGreaterThan(10);
    },
  );
});
