import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, type LogFields, systemClock } from '@postern/runtime';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { Spool } from '../src/spool.ts';
import { haveRedis, type RedisServer, startRedis } from '../src/testing/redis.ts';
import { openAt } from './redis-spool.ts';
import { unit } from './spool-contract.ts';
import { until } from './support.ts';

type Refused = Error & { readonly code: string; readonly hint: string };

describe.skipIf(!haveRedis)('a Redis that is not fit for a spool', () => {
  let server: RedisServer;
  let spool: Spool | undefined;
  let lines: [event: string, fields?: LogFields][] = [];
  const log = {
    info: (...line: (typeof lines)[number]) => void lines.push(line),
    warn: (...line: (typeof lines)[number]) => void lines.push(line),
  };
  beforeAll(async () => {
    server = await startRedis(await mkdtemp(join(tmpdir(), 'postern-redis-')));
  });
  afterAll(() => server.stop());
  afterEach(async () => {
    await spool?.close();
    spool = undefined;
    lines = [];
    await server.ask('FLUSHALL');
  });

  const refused = async (options: Parameters<typeof openAt>[1] = {}): Promise<Refused> => {
    const error: unknown = await openAt(server.socket, options).then(
      () => undefined,
      (found: unknown) => found,
    );
    expect(error).toMatchObject({ code: 'spool-unsafe', hint: expect.any(String) });
    return error as Refused;
  };
  /** Types the commands of a hint: lines of their own, as they stand there. */
  const obey = ({ hint }: Refused): string[] => {
    const commands = hint.split('\n').filter((line) => line.includes('redis-cli'));
    const typed = commands.map((command) => command.replace('--user NAME --askpass ', ''));
    return typed.map((command) => execFileSync('sh', ['-ec', command], { encoding: 'utf8' }).trim());
  };

  test.each([
    ['appendonly', 'no', 'no append-only file'],
    ['appendfsync', 'everysec', 'it syncs everysec'],
    ['no-appendfsync-on-rewrite', 'yes', 'does not sync while it rewrites'],
    ['maxmemory-policy', 'allkeys-lru', 'it evicts (allkeys-lru)'],
    // What the spool may hold would fit, and what Redis takes for it would not.
    ['maxmemory', '600mb', 'maxmemory is less'],
    ['save', '3600 1', 'it saves snapshots'],
    ['slowlog-log-slower-than', '10000', 'slow log keeps commands'],
    ['aof-timestamp-enabled', 'yes', 'writes times into its append-only file'],
  ])('with %s %s is refused, and the commands that it tells mend it', async (name, value, wrong) => {
    await server.ask('CONFIG', 'SET', name, value);
    const error = await refused();
    expect(error.message).toContain(wrong);
    const answers = obey(error);
    expect(answers.length).toBeGreaterThan(1);
    expect(answers).toEqual(answers.map(() => 'OK'));
    await until(async () => {
      spool = await openAt(server.socket).catch(() => undefined);
      return spool !== undefined;
    });
  });

  test('says everything that is wrong at once', async () => {
    await server.ask('CONFIG', 'SET', 'appendonly', 'no', 'maxmemory-policy', 'volatile-ttl');
    const error = await refused();
    expect(error.message).toMatch(/no append-only file.*it evicts/);
    obey(error);
  });

  test('as a replica is refused, and made a master it is taken', async () => {
    await server.ask('REPLICAOF', '127.0.0.1', '1');
    const error = await refused();
    expect(error.message).toContain('it is a replica (slave) of 127.0.0.1 port 1');
    obey(error);
    spool = await openAt(server.socket);
  });

  test('with a replica is refused', async () => {
    const replica: Socket = connect(server.socket);
    replica.on('error', () => undefined);
    try {
      replica.write('SYNC\r\n');
      await until(async () => String(await server.ask('INFO', 'replication')).includes('connected_slaves:1'));
      const error = await refused();
      expect(error.message).toContain('it has replicas (1)');
      expect(error.hint).toContain('REPLICAOF NO ONE');
    } finally {
      replica.destroy();
    }
    await until(async () => String(await server.ask('INFO', 'replication')).includes('connected_slaves:0'));
  });

  test('one that does not say how it is configured is believed only when the operator vouches for it', async () => {
    await server.ask('ACL', 'SETUSER', 'node', 'on', '>secret', '~*', '&*', '+@all', '-config');
    const connection = { path: server.socket, username: 'node', password: 'secret' };
    const error = await refused({ connection });
    expect(error.message).toContain('appendfsync');
    expect(error.hint).toMatch(/vouch.*\nredis-cli -s \S+ --user NAME --askpass ACL SETUSER node /);
    expect(error.hint).not.toContain('secret');
    spool = await openAt(server.socket, { connection, vouched: true });
    await spool.accept(unit());
    await spool.close();
    obey(error);
    spool = await openAt(server.socket, { connection });
  });

  test('what becomes wrong later is logged once with what mends it, and once when it is right again', async () => {
    spool = await openAt(server.socket, { log });
    await spool.sweep();
    expect(lines).toEqual([]);
    await server.ask('CONFIG', 'SET', 'latency-monitor-threshold', '100');
    await spool.sweep();
    await spool.sweep();
    const fields = { condition: 'latency-monitor-threshold', what: expect.stringContaining('latency') };
    const hint = expect.stringMatching(
      /^redis-cli .*CONFIG SET latency-monitor-threshold 0\nredis-cli .*LATENCY RESET\nredis-cli .*CONFIG REWRITE$/,
    );
    const warned = ['redis is not as it should be', { ...fields, hint }];
    expect(lines).toEqual([warned]);
    // That alone keeps nobody from opening it.
    await spool.close();
    lines = [];
    spool = await openAt(server.socket, { log });
    expect(lines).toEqual([warned]);
    await server.ask('CONFIG', 'SET', 'latency-monitor-threshold', '0');
    await spool.sweep();
    await spool.sweep();
    expect(lines.slice(1)).toEqual([
      ['redis is as it should be again', { condition: 'latency-monitor-threshold' }],
    ]);
  });

  test.skipIf(spawnSync('prlimit', ['--version']).status !== 0)(
    'when its file cannot be written anew that is logged once, and once when it is again',
    async () => {
      spool = await openAt(server.socket, { log });
      for (let n = 0; n < 24; n++) await spool.accept(unit());
      await spool.sweep();
      const pid = /process_id:(\d+)/.exec(String(await server.ask('INFO', 'server')))?.[1] ?? '';
      const limit = (bytes: string) => execFileSync('prlimit', ['--pid', pid, `--fsize=${bytes}:`]);
      // What has come since fits, and all of it does not.
      limit('600000');
      await spool.accept(unit());
      await spool.sweep();
      await spool.sweep();
      const condition = 'append-only file rewritten';
      const hint = expect.stringContaining('BGREWRITEAOF');
      const fields = { condition, what: expect.stringContaining('could not rewrite'), hint };
      expect(lines).toEqual([['redis is not as it should be', fields]]);
      // Whoever connects anew is not kept out: its sweep may mend it.
      await (await openAt(server.socket, { log })).close();
      expect(lines.splice(1)).toEqual(lines);
      limit('unlimited');
      await spool.sweep();
      await spool.sweep();
      expect(lines.slice(1)).toEqual([['redis is as it should be again', { condition }]]);
      await spool.accept(unit());
    },
  );

  test('whose clock is another than the node’s is refused', async () => {
    let aheadMs = 31_000;
    const clock: Clock = { ...systemClock, now: () => systemClock.now() + aheadMs };
    expect((await refused({ clock })).message).toMatch(/its clock says \S+Z, and that of this node \S+Z$/);
    aheadMs = -31_000;
    expect((await refused({ clock })).hint).toContain('NTP');
    aheadMs = -29_000;
    spool = await openAt(server.socket, { clock, log });
    expect(lines).toEqual([]);
    await spool.accept(unit());
  });
});
