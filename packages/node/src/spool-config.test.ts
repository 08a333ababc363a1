import { ConfigError, parseConfig } from '@postern/runtime';
import { expect, test } from 'vitest';
import { formatConfig } from './config-file.ts';
import { resolveSpoolPaths, spoolSection } from './spool-config.ts';

const parse = (input: unknown) => parseConfig(spoolSection, input, 'the configuration');

function mistakesIn(input: unknown): Record<string, string> {
  try {
    parse(input);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return Object.fromEntries(error.mistakes.map(({ path, message }) => [path, message]));
  }
  return {};
}
const redis = (section: object) => ({ store: 'redis', redis: section });

test('each store has a size of its own', () => {
  expect(parse({})).toEqual({ maxBytes: 20_000_000_000, reserveBytes: 64_000_000 });
  expect(parse(redis({ url: 'unix:/run/redis.sock' }))).toMatchObject({ maxBytes: 1_000_000_000 });
  expect(parse({ ...redis({ url: 'unix:/s' }), max_size: '3GB' })).toMatchObject({ maxBytes: 3_000_000_000 });
});

test.each([
  ['unix:/run/redis/redis.sock', { path: '/run/redis/redis.sock' }],
  ['redis://127.0.0.1', { host: '127.0.0.1', port: 6379, db: 0, tls: false }],
  ['redis://[::1]:7000/2', { host: '::1', port: 7000, db: 2, tls: false }],
  ['rediss://redis.b.test:6380/', { host: 'redis.b.test', port: 6380, db: 0, tls: true }],
])('%s is an address', (url, address) => {
  expect(parse(redis({ url })).redis?.address).toEqual(address);
});

test('files are relative to the configuration', () => {
  const section = {
    url: 'rediss://r.test',
    user: 'node',
    password_file: 'password',
    ca: 'ca.pem',
    name: 'mix1',
  };
  const resolved = resolveSpoolPaths(parse(redis(section)), (path) => `/etc/postern/${path}`);
  expect(resolved.redis).toMatchObject({
    user: 'node',
    name: 'mix1',
    passwordFile: '/etc/postern/password',
    caFile: '/etc/postern/ca.pem',
    vouched: false,
  });
});

test.each([
  [{ store: 'redis' }, 'redis', 'is missing'],
  [{ redis: { url: 'unix:/s' } }, 'redis', 'without store'],
  [{ store: 'lmdb' }, 'store', ''],
  [redis({}), 'redis.url', ''],
  [redis({ url: '127.0.0.1:6379' }), 'redis.url', 'no address'],
  [redis({ url: 'http://127.0.0.1' }), 'redis.url', 'no address'],
  [redis({ url: 'redis://:secret@127.0.0.1' }), 'redis.url', 'password in it'],
  [redis({ url: 'redis://127.0.0.1/0/x' }), 'redis.url', 'more behind the port'],
  [redis({ url: 'redis://10.0.0.1' }), 'redis.url', 'without TLS'],
  [redis({ url: 'redis://127.evil.test' }), 'redis.url', 'without TLS'],
  [redis({ url: 'unix:/s', ca: 'ca.pem' }), 'redis.ca', 'rediss:// only'],
  [redis({ url: 'unix:/s', user: 'node' }), 'redis.password_file', 'is missing'],
  [redis({ url: 'unix:/s', name: '{x}' }), 'redis.name', 'no name'],
  [redis({ url: 'unix:/s', password: 'x' }), 'redis.password', 'no known key'],
])('says what is wrong with %j', (input, path, message) => {
  expect(mistakesIn(input)[path]).toContain(message);
});

test('a password in the address is not said', () => {
  expect(JSON.stringify(mistakesIn(redis({ url: 'redis://:secret@127.0.0.1' })))).not.toContain('secret');
});

test('a wire that is all one’s own may go without TLS', () => {
  const { redis: config } = parse(redis({ url: 'redis://10.0.0.1', allow_plain: true }));
  expect(config?.address).toMatchObject({ host: '10.0.0.1', tls: false });
});

test('a new configuration says what max_size is with either store', () => {
  const { toml } = formatConfig({
    configPath: 'node.toml',
    dataDir: 'data',
    name: 'mix1.test',
    roles: ['mix'],
    listen: '0.0.0.0:25',
    advertise: 'mix1.test:25',
    directoryUrls: [],
    authorities: [],
  });
  const [, sqlite = '', redisSize = ''] = /it is (.+) with "sqlite", and (.+) with "redis"/.exec(toml) ?? [];
  const bytes = (text: string): number => parse({ max_size: text.replace(' ', '') }).maxBytes;
  expect(bytes(sqlite)).toBe(parse({}).maxBytes);
  expect(bytes(redisSize)).toBe(parse(redis({ url: 'unix:/run/redis.sock' })).maxBytes);
});

test('a section of Redis without the store says what to write', () => {
  expect(mistakesIn({ redis: { url: 'unix:/s' } }).redis).toContain('write that line to [spool]');
  expect(mistakesIn({ store: 'redsi' }).store).toContain('write "sqlite" or "redis"');
});
