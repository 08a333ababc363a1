import { checkedTogether, size } from '@postern/runtime';
import { z } from 'zod';

/** Where the spool is kept, and how much it may take. */
export interface SpoolConfig {
  readonly maxBytes: number;
  /** Of the disk, or of the memory of Redis. */
  readonly reserveBytes: number;
  /** SQLite in the data directory when there is none. */
  readonly redis?: RedisConfig;
}

export interface RedisConfig {
  readonly address: RedisAddress;
  /** Names the spool among others there; the node's name when there is none. */
  readonly name?: string;
  readonly user?: string;
  /** Holds the password, and nothing else. */
  readonly passwordFile?: string;
  /** PEM file of who vouches for its certificate; the system's authorities when there is none. */
  readonly caFile?: string;
  /** The operator says that Redis is configured as it has to be, where it does not let itself be asked. */
  readonly vouched: boolean;
}

export type RedisAddress =
  | { readonly path: string }
  | { readonly host: string; readonly port: number; readonly db: number; readonly tls: boolean };

/** What a spool may take when nothing is said: of a disk, and of memory. */
const mostBytes = { sqlite: 20_000_000_000, redis: 1_000_000_000 } as const;

const redisAddress: z.ZodType<RedisAddress, string> = z.string().transform((text, context) => {
  const say = (message: string): never => {
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  };
  const path = /^unix:(\/.+)$/.exec(text)?.[1];
  if (path !== undefined) return { path };
  const url = URL.parse(text);
  if (url === null || !['redis:', 'rediss:'].includes(url.protocol) || url.hostname === '')
    return say('is no address of Redis; write "unix:/path", "redis://host:port" or "rediss://host:port"');
  if (url.username !== '' || url.password !== '')
    return say(
      'has a user or password in it; write the user to `user`, the password to a file, and its name to `password_file`',
    );
  const [, db = '0'] = /^(?:\/(\d{1,5})?)?$/.exec(url.pathname) ?? [];
  if (!/^(?:\/\d{0,5})?$/.test(url.pathname) || url.search !== '' || url.hash !== '')
    return say('has more behind the port than the number of a database');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(url.port || 6379), db: Number(db), tls: url.protocol === 'rediss:' };
});

const isLoopback = (host: string): boolean =>
  host === 'localhost' || host === '::1' || /^127(?:\.\d+){3}$/.test(host);

const redisSection = checkedTogether(
  z.strictObject({
    url: redisAddress,
    name: z
      .string()
      .regex(
        /^[a-z0-9][a-z0-9._-]{0,62}$/,
        'is no name of a spool; write up to 63 lower-case letters, digits and ._-',
      )
      .optional(),
    user: z.string().min(1).optional(),
    password_file: z.string().min(1).optional(),
    ca: z.string().min(1).optional(),
    allow_plain: z.boolean().default(false),
    vouch: z.boolean().default(false),
  }),
  ({ url, allow_plain: allowPlain }, { say, isThere, isWrong }) => {
    if (isThere('user') && !isThere('password_file'))
      say(['password_file'], 'is missing; the user has a password');
    if (url === undefined) return;
    const plain = 'host' in url && !url.tls;
    if (plain && !isLoopback(url.host) && allowPlain !== true && !isWrong('allow_plain'))
      say(
        ['url'],
        'goes over the network without TLS; write rediss://, or allow_plain = true on a wire that is all yours',
      );
    if (isThere('ca') && !('host' in url && url.tls)) say(['ca'], 'goes with rediss:// only');
  },
);

const section = checkedTogether(
  z.strictObject({
    store: z.enum(['sqlite', 'redis']).default('sqlite'),
    max_size: size.optional(),
    reserve: size.default(64_000_000),
    redis: redisSection.optional(),
  }),
  ({ store }, { say, isThere }) => {
    if (store === 'redis' && !isThere('redis')) say(['redis'], 'is missing; store = "redis" needs its url');
    if (store === 'sqlite' && isThere('redis'))
      say(
        ['redis'],
        'stands there without store = "redis"; write that line to [spool], or remove the section',
      );
  },
);

export const spoolSection: z.ZodType<SpoolConfig, unknown> = section.transform(
  ({ store, max_size: maxBytes = mostBytes[store], reserve, redis }): SpoolConfig => {
    const common = { maxBytes, reserveBytes: reserve };
    return redis === undefined ? common : { ...common, redis: redisFrom(redis) };
  },
);

type RedisSection = z.infer<typeof redisSection>;

function redisFrom(section: RedisSection): RedisConfig {
  const { url, name, user, password_file: passwordFile, ca, vouch: vouched } = section;
  return {
    address: url,
    vouched,
    ...(name === undefined ? {} : { name }),
    ...(user === undefined ? {} : { user }),
    ...(passwordFile === undefined ? {} : { passwordFile }),
    ...(ca === undefined ? {} : { caFile: ca }),
  };
}

/** The same with absolute paths: in the file they are relative to it. */
export function resolveSpoolPaths(spool: SpoolConfig, absolute: (path: string) => string): SpoolConfig {
  if (spool.redis === undefined) return spool;
  const { passwordFile, caFile } = spool.redis;
  return {
    ...spool,
    redis: {
      ...spool.redis,
      ...(passwordFile === undefined ? {} : { passwordFile: absolute(passwordFile) }),
      ...(caFile === undefined ? {} : { caFile: absolute(caFile) }),
    },
  };
}
