import { mkdir, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { NodeError } from '../src/errors.ts';
import type { RedisConnection } from '../src/queue/redis/connection.ts';
import type { Spool } from '../src/spool.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { openAt } from './redis-spool.ts';
import { relayVerdict, unit } from './spool-contract.ts';
import { until } from './support.ts';

describe.skipIf(!haveRedis)('a Redis that fails', () => {
  let server: RedisServer;
  let spool: Spool | undefined;
  const start = async (...given: string[]): Promise<void> => {
    server = await startRedis(await mkdtemp(join(tmpdir(), 'postern-redis-')), given);
  };
  const askAs = async (...command: string[]): Promise<unknown> => {
    const redis = new Redis({ path: server.socket, password: 'right' });
    const [name = '', ...rest] = command;
    return redis.call(name, ...rest).finally(() => redis.disconnect());
  };
  const refusal = async (connection: RedisConnection): Promise<NodeError> => {
    const opened = await openAt('', { connection }).catch((error: NodeError) => error);
    if (opened instanceof NodeError) return opened;
    await opened.close();
    throw new Error('it was opened');
  };
  beforeEach(() => {
    spool = undefined;
  });
  afterEach(async () => {
    await spool?.close();
    await server.stop();
  });

  test('a snapshot that failed makes it take no writes', async () => {
    await start('--dbfilename', 'taken');
    await mkdir(join(server.dir, 'taken'));
    spool = await openAt(server.socket);
    await server.ask('CONFIG', 'SET', 'save', '3600 1');
    await server.ask('BGSAVE');
    await until(async () =>
      /rdb_last_bgsave_status:err/.test(String(await server.ask('INFO', 'persistence'))),
    );
    await expect(spool.accept(unit())).rejects.toMatchObject({ code: 'spool-io' });
    await expect(openAt(server.socket)).rejects.toMatchObject({ code: 'spool-unsafe' });
  });

  test('each way to refuse says what to do and what it was that refused, and nothing secret', async () => {
    await start();
    await server.ask('CONFIG', 'SET', 'requirepass', 'right');
    const rights = ['~{postern:other}*', '&{postern:test}*', '+@all', '-@dangerous'];
    for (const [name, ...rules] of [
      ['bare', ...rights],
      ['keyless', ...rights, '+info', '+config|get'],
    ] as const)
      await askAs('ACL', 'SETUSER', name, 'on', '>wrong-secret', ...rules);
    const password = 'wrong-secret';
    const path = server.socket;
    const own =
      /ACL SETUSER keyless '~\{postern:test\}\*' '&\{postern:test\}\*' \+@all -@dangerous \+info '\+config\|get' \+bgrewriteaof$/;
    const cases = [
      [{ path }, 77, /says NOAUTH$/, /password_file/],
      [{ path, password }, 77, /says WRONGPASS$/, /"default".*\nredis-cli -s \S+ --askpass ACL LIST$/],
      [{ path, username: 'bare', password }, 77, /NOPERM: user "bare" lacks \+info$/, /ACL SETUSER bare /],
      [{ path, username: 'keyless', password }, 77, /lacks ~\{postern:test\}\*$/, own],
      [{ path: `${path}.not` }, 75, /\(ENOENT\)$/, /unixsocket/],
      [{ host: '127.0.0.1', port: 1 }, 75, /at redis:\/\/127\.0\.0\.1:1 \(ECONNREFUSED\)$/, /Nobody listens/],
      [{ host: 'redis.invalid', port: 1 }, 75, /\((?:ENOTFOUND|EAI_AGAIN)\)$/, /DNS/],
    ] as const;
    for (const [connection, exitCode, message, hint] of cases) {
      const error = await refusal(connection);
      expect(error).toMatchObject({ code: 'spool-io', exitCode, message: expect.stringMatching(message) });
      const at = 'path' in connection ? `unix:${connection.path}` : `redis://${connection.host}:1`;
      expect(error.message).toContain(` at ${at} `);
      expect(error.hint).toMatch(hint);
      expect(JSON.stringify([error, String(error)])).not.toContain(password);
    }
  });

  test('while it is down nothing is accepted, and when it is back everything is there; each is logged once', async () => {
    await start();
    const events: string[] = [];
    const note = (event: string): void => void events.push(event);
    spool = await openAt(server.socket, { log: { info: note, warn: note } });
    events.length = 0;
    const { signal } = new AbortController();
    await spool.accept(unit());
    await spool.wakeInputs('packet', signal);
    await server.kill();
    await expect(spool.accept(unit())).rejects.toMatchObject({ code: 'spool-io', hint: expect.any(String) });
    const woken = spool.wakeInputs('packet', signal);
    await server.start();
    await woken;
    const back = spool;
    await until(async () => (await back.counts().catch(() => ({ inputs: 0 }))).inputs === 1);
    expect(await back.claimInputs('packet', 2)).toHaveLength(1);
    expect(events).toEqual(['redis does not answer', 'redis answers again']);
  });

  test('what was in hand when it died can be claimed once it is back', async () => {
    await start();
    spool = await openAt(server.socket);
    const back = spool;
    await spool.accept(unit());
    const [input] = await spool.claimInputs('packet', 1);
    await server.kill();
    await expect(spool.releaseInputs([input?.id ?? ''])).rejects.toMatchObject({ code: 'spool-io' });
    await server.start();
    await until(async () => (await back.claimInputs('packet', 1).catch(() => [])).length === 1);
  });

  test('while it reads its file it is not there yet, and not unsafe', async () => {
    await start('--key-load-delay', '10000', '--loading-process-events-interval-bytes', '1024');
    spool = await openAt(server.socket);
    for (let n = 0; n < 9; n++) await spool.accept(unit());
    await server.kill();
    const starting = server.start();
    const codes = new Set<unknown>();
    await until(async () => {
      const found = await openAt(server.socket).catch((error: NodeError) => void codes.add(error.code));
      await found?.close();
      return found !== undefined;
    });
    await starting;
    expect(codes).toEqual(new Set(['spool-io']));
  });

  test('what came back with another configuration is not gone on with', async () => {
    await start();
    spool = await openAt(server.socket);
    await server.ask('CONFIG', 'SET', 'appendfsync', 'no');
    await server.ask('CLIENT', 'KILL', 'TYPE', 'normal');
    expect(await spool.broken).toMatchObject({ code: 'spool-unsafe' });
    await expect(spool.accept(unit())).rejects.toMatchObject({ code: 'spool-unsafe' });
  });

  test('one that was emptied is another spool: nothing more is done with it', async () => {
    await start();
    spool = await openAt(server.socket);
    const { id } = spool;
    await server.ask('FLUSHALL');
    await expect(spool.accept(unit())).rejects.toMatchObject({ code: 'spool-lost' });
    expect(await spool.broken).toMatchObject({ code: 'spool-lost' });
    await spool.close();
    spool = await openAt(server.socket);
    expect(spool.id).not.toBe(id);
  });

  test('out of memory it refuses units, works off what it has, and accepts again', async () => {
    await start();
    spool = await openAt(server.socket, { maxBytes: 100_000_000, reserveBytes: 0 });
    for (let n = 0; n < 9; n++) await spool.accept(unit());
    const [, used = ''] = /used_memory:(\d+)/.exec(String(await server.ask('INFO', 'memory'))) ?? [];
    await server.ask('CONFIG', 'SET', 'maxmemory', used);
    await expect(spool.accept(unit())).rejects.toMatchObject({ code: 'spool-full' });
    expect(await spool.counts()).toMatchObject({ inputs: 9 });
    await server.ask('CONFIG', 'SET', 'maxmemory', String(Number(used) + 2_000_000));
    for (const { id } of await spool.claimInputs('packet', 9)) {
      await server.ask('CONFIG', 'SET', 'maxmemory', '1mb');
      expect((await spool.settle(id, relayVerdict())).kind).toBe('waiting');
      await server.ask('CONFIG', 'SET', 'maxmemory', String(Number(used) + 2_000_000));
    }
    await server.ask('CONFIG', 'SET', 'maxmemory', '1gb');
    await spool.accept(unit());
    expect(await spool.counts()).toMatchObject({ inputs: 1, relays: 9 });
  });

  test('made a replica it takes nothing', async () => {
    await start();
    spool = await openAt(server.socket);
    await server.ask('REPLICAOF', '127.0.0.1', '1');
    await expect(spool.accept(unit())).rejects.toMatchObject({ code: 'spool-io' });
  });

  // A file that must not grow is what a full disk looks like: the write itself fails.
  test('when its disk fails in the middle of writing nothing is acknowledged that is lost', async () => {
    await start();
    await server.kill();
    await server.start(['prlimit', '--fsize=400000']);
    spool = await openAt(server.socket);
    const full = spool;
    const results = await Promise.allSettled(Array.from({ length: 24 }, () => full.accept(unit())));
    const accepted = results.filter(({ status }) => status === 'fulfilled').length;
    expect(accepted).toBeLessThan(24);
    await full.close();
    await server.kill();
    await server.start();
    spool = await openAt(server.socket);
    const { inputs } = await spool.counts();
    expect(inputs).toBeGreaterThanOrEqual(accepted);
    expect(inputs).toBeLessThan(24);
  });
});
