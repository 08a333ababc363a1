import type { Redis } from 'ioredis';
import { describe, expect, test } from 'vitest';
import { redisCli } from './command.ts';
import { conditions, type Demands } from './conditions.ts';
import { askSettings } from './settings.ts';

const info = {
  redis_version: '7.0.15',
  role: 'master',
  connected_slaves: '0',
  aof_enabled: '1',
  maxmemory: '0',
  maxmemory_policy: 'noeviction',
};
const settings = {
  appendfsync: 'always',
  'no-appendfsync-on-rewrite': 'no',
  save: '',
  'slowlog-log-slower-than': '-1',
  'aof-timestamp-enabled': 'no',
  'latency-monitor-threshold': '0',
};
const demands: Demands = { vouched: false, maxBytes: 3_000, reserveBytes: 100, skewMs: 30_000 };

/** What does not hold. */
function failing(answers: Partial<Parameters<typeof conditions>[0]>, changed: Partial<Demands> = {}) {
  const all = { info, settings, redisMs: 0, nodeMs: 0, ...answers };
  const found = conditions(all, { ...demands, ...changed }, (command) => `cli ${command}`);
  return found.filter(({ holds }) => !holds);
}

describe('the conditions on a Redis', () => {
  test('hold', () => expect(failing({})).toEqual([]));

  test.each(['7.2.4', '7.4.0', '8.0.1'])(
    'from 7.2 on small sets are not to keep their order: %s',
    (version) => {
      const newer = { ...info, redis_version: version };
      const name = 'set-max-listpack-entries';
      const mends = ['cli CONFIG SET set-max-listpack-entries 0'];
      const found = failing({ info: newer, settings: { ...settings, [name]: '128' } });
      expect(found).toMatchObject([{ name, mends, borne: false }]);
      expect(failing({ info: newer, settings: { ...settings, [name]: '0' } })).toEqual([]);
      expect(failing({ info: newer })).toMatchObject([
        { name: 'told', wrong: expect.stringContaining(name) },
      ]);
    },
  );

  test.each([
    [{ connected_slaves: '2' }, 'replicas'],
    [{ redis_version: '6.2.1' }, 'version'],
    [{ maxmemory: '4099' }, 'memory'],
  ])('%j: %s', (changed, name) => {
    expect(failing({ info: { ...info, ...changed } })).toMatchObject([{ name, borne: false }]);
  });

  test('a file that could not be rewritten is borne', () => {
    const changed = { ...info, aof_last_bgrewrite_status: 'err' };
    expect(failing({ info: changed })).toMatchObject([{ name: 'append-only file rewritten', borne: true }]);
  });

  test('memory is for what Redis takes for a spool that is full', () => {
    expect(failing({ info: { ...info, maxmemory: '4100' } })).toEqual([]);
  });

  test.each([[undefined], [{}], [{ ...settings, save: undefined }]] as const)(
    'what is not told does not hold, unless the operator vouches for it: %j',
    (told) => {
      const answers = { settings: told as Record<string, string> | undefined };
      expect(failing(answers)).toMatchObject([
        { name: 'told', mends: [expect.any(String), "cli ACL SETUSER default '+config|get'"] },
      ]);
      expect(failing(answers, { vouched: true })).toEqual([]);
    },
  );

  test('what is told counts whoever vouches', () => {
    const told = { settings: { ...settings, appendfsync: 'no' } };
    expect(failing(told, { vouched: true })).toMatchObject([{ name: 'appendfsync' }]);
  });

  test('an answer with nothing in it is none', async () => {
    const answering = (answer: string[]) => ({ call: () => Promise.resolve(answer) }) as unknown as Redis;
    expect(await askSettings(answering([]))).toBeUndefined();
    expect(await askSettings(answering(['save', '']))).toEqual({ save: '' });
  });

  test('clocks may be as far apart as is allowed', () => {
    expect(failing({ nodeMs: 30_000 })).toEqual([]);
    for (const nodeMs of [30_001, -30_001]) expect(failing({ nodeMs })).toMatchObject([{ name: 'clock' }]);
  });
});

describe('what an operator types', () => {
  test.each([
    [{ path: '/run/redis/redis.sock' }, 'redis-cli -s /run/redis/redis.sock PING'],
    [{ path: "/run/it's here" }, "redis-cli -s '/run/it'\\''s here' PING"],
    [{ host: 'redis.example', port: 6380 }, 'redis-cli -h redis.example -p 6380 PING'],
    [{ host: '::1', port: 6379, password: 'secret' }, 'redis-cli -h ::1 -p 6379 --askpass PING'],
    [
      { host: 'redis.example', port: 6379, tls: {}, caFile: '/etc/ca.pem' },
      'redis-cli -h redis.example -p 6379 --tls --cacert /etc/ca.pem PING',
    ],
    [{ path: '/r', username: 'node', password: 'secret' }, 'redis-cli -s /r --user NAME --askpass PING'],
  ])('%j: %s', (connection, command) => expect(redisCli(connection, 'PING')).toBe(command));
});
