import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LogFields, silentLog, systemClock } from '@postern/runtime';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createNewestKey } from '../src/newest-key.ts';
import { rightsFor } from '../src/queue/redis/access.ts';
import type { Spool } from '../src/spool.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { crashRelay, crashUnit } from './crash-units.ts';
import { cuttingProxy } from './cutting-proxy.ts';
import { openAt } from './redis-spool.ts';
import { fragment, relayVerdict, unit } from './spool-contract.ts';
import { fakeClock, until } from './support.ts';

describe.skipIf(!haveRedis)('several processes over one Redis', () => {
  let server: RedisServer;
  beforeAll(async () => {
    server = await startRedis(await mkdtemp(join(tmpdir(), 'postern-redis-')));
  });
  afterAll(() => server.stop());
  afterEach(async () => void (await server.ask('FLUSHALL')));

  test('share one spool: each packet is peeled by one of them, and forwarded by one', async () => {
    await using stack = new AsyncDisposableStack();
    const spools = await Promise.all([1, 2, 3].map(async () => stack.use(await openAt(server.socket))));
    expect(new Set(spools.map(({ id }) => id)).size).toBe(1);
    const [receiver] = spools as [Spool];
    const numbers = Array.from({ length: 60 }, (_, at) => at);
    const peeled: number[] = [];
    const forwarded: number[] = [];
    const peel = async (spool: Spool): Promise<void> => {
      for (const { id, bytes } of await spool.claimInputs('packet', 5)) {
        const number = Buffer.from(bytes).readUInt32BE(1);
        const settled = await spool.settle(id, crashRelay(number));
        peeled.push(number);
        if (settled.kind === 'waiting') await spool.relays.release([settled.waiting.id]);
      }
    };
    const forward = async (spool: Spool): Promise<void> => {
      for (const { id } of await spool.relays.claim(5)) {
        forwarded.push(Buffer.from((await spool.relays.read(id)) ?? []).readUInt32BE(1));
        await spool.relays.finish(id);
      }
    };
    const work = async (step: (spool: Spool) => Promise<void>, done: readonly number[]): Promise<void> => {
      await Promise.all(
        spools.map(async (spool) => {
          while (done.length < numbers.length) await step(spool);
        }),
      );
    };
    await Promise.all([
      ...numbers.map((number) => receiver.accept(crashUnit(number))),
      work(peel, peeled),
      work(forward, forwarded),
    ]);
    const sorted = (all: readonly number[]) => [...all].sort((a, b) => a - b);
    expect(sorted(peeled)).toEqual(numbers);
    expect(sorted(forwarded)).toEqual(numbers);
    expect(await receiver.counts()).toEqual({ inputs: 0, relays: 0, fragments: 0, deliveries: 0 });
    // Nothing is left of them but replay tags.
    await receiver.sweep();
    const keys = (await server.ask('KEYS', '*')) as string[];
    expect(keys.filter((key) => /[0-9a-f]{32}$/.test(key) && !key.includes(':held:'))).toEqual([]);
    expect(keys.every((key) => key.startsWith('{postern:test}:'))).toBe(true);
  });

  test('what one accepts wakes another', async () => {
    await using one = await openAt(server.socket);
    await using other = await openAt(server.socket);
    const woken = other.wakeInputs('packet', new AbortController().signal);
    await one.accept(unit());
    await woken;
    await until(async () => (await other.claimInputs('packet', 1)).length === 1);
  });

  test('what one holds that has died is anybody’s: inputs, relays and sets', async () => {
    await using proxy = await cuttingProxy(`${server.socket}.dying`, server.socket);
    await using other = await openAt(server.socket);
    await using dying = await openAt(proxy.socket);
    await dying.accept(unit());
    await dying.accept(unit());
    await dying.accept(unit('exit'));
    // Somebody took it for dead too early: what Redis runs for it after that is freed as well.
    await server.ask('DEL', '{postern:test}:processes');
    const [first] = await dying.claimInputs('packet', 1);
    expect((await dying.settle(first?.id ?? '', relayVerdict({ dueMs: 0 }))).kind).toBe('waiting');
    const [exit] = await dying.claimInputs('exit', 1);
    const expires = Math.floor(Date.now() / 1_000) + 86_400;
    const one = fragment({ expires });
    expect((await dying.settle(exit?.id ?? '', { kind: 'fragment', fragment: one })).kind).toBe('complete');
    expect(await dying.claimInputs('packet', 9)).toHaveLength(1);
    await other.sweep();
    expect(await other.claimInputs('packet', 9)).toEqual([]);
    expect(await other.relays.claim(9)).toEqual([]);
    expect(await other.sets.claim(9)).toEqual([]);

    await proxy[Symbol.asyncDispose]();
    const found = { inputs: 0, relays: 0, sets: 0 };
    await until(async () => {
      await other.sweep();
      found.inputs += (await other.claimInputs('packet', 9)).length;
      found.relays += (await other.relays.claim(9)).length;
      found.sets += (await other.sets.claim(9)).length;
      return found.inputs + found.relays + found.sets > 2;
    });
    expect(found).toEqual({ inputs: 1, relays: 1, sets: 1 });
  });

  test('what one held before its connection was lost is free once it has another', async () => {
    await using spool = await openAt(server.socket);
    // Redis does not know yet that nobody listens to it any more.
    const listener = new Redis({ path: server.socket });
    const [name = ''] = (await server.ask('SMEMBERS', '{postern:test}:processes')) as string[];
    await listener.subscribe(`{postern:test}:process:${name}`);
    const lose = async () => void (await server.ask('CLIENT', 'KILL', 'TYPE', 'normal'));
    const again = async <Of>(claim: () => Promise<readonly Of[]>): Promise<Of> => {
      let found: Of | undefined;
      await until(async () => {
        [found] = await claim().catch(() => []);
        return found !== undefined;
      });
      return found as Of;
    };
    await spool.accept(unit());
    const [input] = await spool.claimInputs('packet', 1);
    const id = input?.id ?? '';
    await lose();
    expect((await again(() => spool.claimInputs('packet', 1))).id).toBe(id);
    // It has it in its hands twice: the first settles it, and the second is told so.
    const first = await spool.settle(id, relayVerdict({ dueMs: 0 }));
    expect(first.kind).toBe('waiting');
    expect((await spool.settle(id, relayVerdict({ dueMs: 0 }))).kind).toBe('gone');
    await lose();
    const relay = await again(() => spool.relays.claim(1));
    expect((await server.ask('SMEMBERS', '{postern:test}:processes')) as string[]).toHaveLength(1);
    await spool.relays.finish(relay.id);
    expect(await spool.counts()).toMatchObject({ inputs: 0, relays: 0 });
    listener.disconnect();
  });

  test('a claim that is another’s by now is not given back by who had it before', async () => {
    await using one = await openAt(server.socket);
    await one.accept(unit());
    const [input] = await one.claimInputs('packet', 1);
    const settled = await one.settle(input?.id ?? '', relayVerdict({ dueMs: 0 }));
    if (settled.kind !== 'waiting') throw new Error(settled.kind);
    const { id } = settled.waiting;
    await server.ask('CLIENT', 'KILL', 'TYPE', 'normal');
    await using other = await openAt(server.socket);
    await until(async () => {
      await other.sweep().catch(() => undefined);
      return (await other.relays.claim(1).catch(() => [])).length === 1;
    });
    const row = () => server.ask('HMGET', `{postern:test}:relay:${id}`, 'due', 'attempts', 'by', 'claim');
    const held = await row();
    await until(() =>
      one.relays.retry(id, 9_000_000).then(
        () => true,
        () => false,
      ),
    );
    await one.relays.postpone(id, 9_000_000);
    await one.relays.release([id]);
    expect(await row()).toEqual(held);
    // Its holder may.
    await other.relays.retry(id, 9_000_000);
    expect(await row()).toEqual(['9000000', '1', null, null]);
  });

  test('a process learns that another has a newer key of the domain, and says so once', async () => {
    await using one = await openAt(server.socket);
    await using other = await openAt(server.socket);
    const said: unknown[] = [];
    const log = { ...silentLog, error: (_: string, fields?: LogFields) => void said.push(fields) };
    const process = (spool: Spool, ...ring: { fingerprint: string; since: number }[]) =>
      createNewestKey({
        clock: systemClock,
        log,
        spool,
        unwraps: true,
        keys: {
          isComplete: () => true,
          newest: () => ring[0] ?? { fingerprint: '', since: 0 },
          fingerprints: () => ring.map(({ fingerprint }) => fingerprint),
        },
      });
    const [first, second] = [
      { fingerprint: 'first', since: 0 },
      { fingerprint: 'second', since: 9 },
    ];
    const behind = process(one, first);
    expect(await behind.isHere()).toBe(true);
    expect(await process(other, second, first).isHere()).toBe(true);
    for (let asked = 0; asked < 2; asked++) expect(await behind.isHere()).toBe(false);
    expect(said).toEqual([{ fingerprint: 'second' }]);
    // After the copy, and of one that has only the newest.
    expect(await process(one, second, first).isHere()).toBe(true);
    expect(await process(other, second).isHere()).toBe(true);
    expect(said).toHaveLength(1);
  });

  test('what one deferred that is gone is taken up within a minute by another that has all keys, and by no other', async () => {
    const clock = fakeClock(Date.now());
    await using one = await openAt(server.socket);
    const defer = async (): Promise<void> => {
      await using gone = await openAt(server.socket);
      await gone.accept(unit('exit'));
      const [input] = await gone.claimInputs('exit', 1);
      expect(await gone.settle(input?.id ?? '', { kind: 'deferred' })).toEqual({ kind: 'deferred' });
    };
    await one.shared?.newestKey({ fingerprint: 'first', since: 0 });
    const keys = { fingerprint: 'other', isComplete: false };
    let asked = 0;
    const loop = createNewestKey({
      clock,
      log: silentLog,
      spool: one,
      unwraps: true,
      keys: {
        isComplete: () => keys.isComplete,
        newest: () => ({ fingerprint: keys.fingerprint, since: 0 }),
        fingerprints: () => {
          asked += 1;
          return [keys.fingerprint];
        },
      },
    }).start();
    const lies = async () => (await server.ask('SCARD', '{postern:test}:deferred')) as number;
    const turn = async (): Promise<void> => {
      const before = asked;
      await until(() => clock.waiting > 0);
      await clock.advance(60_000);
      await until(() => asked > before);
      await one.sync();
    };
    await until(() => asked > 0);
    await defer();
    // It lacks the newest key, and then another.
    await turn();
    keys.fingerprint = 'first';
    await turn();
    expect(await lies()).toBe(1);
    keys.isComplete = true;
    await turn();
    await until(async () => (await one.claimInputs('exit', 1)).length === 1);
    expect(await lies()).toBe(0);
    await loop.stop();
  });

  test('two spools in one Redis know nothing of each other', async () => {
    await using one = await openAt(server.socket, { name: 'one' });
    await using other = await openAt(server.socket, { name: 'other' });
    await one.accept(unit());
    expect(await other.counts()).toMatchObject({ inputs: 0 });
    expect(await other.claimInputs('packet', 1)).toEqual([]);
  });

  test('a user needs the rights that the operations page names, and no more', async () => {
    const page = await readFile(new URL('../../../docs/operations/redis.md', import.meta.url), 'utf8');
    const [, rights = ''] = /`(~\{postern:NAME\}[^`]+)`/.exec(page) ?? [];
    expect(rights).toBe(rightsFor('{postern:NAME}').join(' '));
    const user = rights.replaceAll('NAME', 'test').split(' ');
    expect(user.length).toBeGreaterThan(3);
    await server.ask('ACL', 'SETUSER', 'node', 'on', '>secret', ...user);
    const connection = { path: server.socket, username: 'node', password: 'secret' };
    await using spool = await openAt(server.socket, { connection });
    await spool.accept(unit());
    const [input] = await spool.claimInputs('packet', 1);
    const settled = await spool.settle(input?.id ?? '', relayVerdict({ dueMs: 0 }));
    expect(settled.kind).toBe('waiting');
    await spool.sweep();
    await expect(openAt(server.socket, { connection, name: 'other' })).rejects.toMatchObject({
      code: 'spool-io',
    });
  });
});
