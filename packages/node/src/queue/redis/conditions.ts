import type { Redis } from 'ioredis';
import { NodeError } from '../../errors.ts';

/** What has to be true of a Redis that is to keep what it was given: how to tell, and what mends it. */
interface Condition {
  readonly holds: boolean;
  readonly wrong: string;
  readonly mend: string;
}

export interface Demands {
  /** The operator says that `appendfsync` is `always`, where Redis does not let itself be asked. */
  readonly vouched: boolean;
  /** Bytes that the spool may hold, and memory that has to be left beside them. */
  readonly maxBytes: number;
  readonly reserveBytes: number;
}

const setting = (name: string, value: string): string => `redis-cli CONFIG SET ${name} ${value}`;

/**
 * Throws `NodeError` `spool-unsafe` with everything that is wrong and the commands that mend it, unless Redis keeps all that it has
 * acknowledged: version 7, master, append-only file synced before each answer, nothing evicted, no error of persistence.
 */
export async function assertConditions(redis: Redis, demands: Demands): Promise<void> {
  const info = parseInfo(await redis.info());
  const asked = await settings(redis);
  const wrong = conditions(info, asked, demands).filter(({ holds }) => !holds);
  if (wrong.length === 0) return;
  const mends = wrong.map(({ mend }) => mend);
  throw new NodeError('spool-unsafe', `Redis would lose mail: ${wrong.map((one) => one.wrong).join('; ')}`, {
    hint: `${mends.join('; ')}. Then CONFIG REWRITE, so that it stays so.`,
  });
}

type Fields = Readonly<Record<string, string>>;

function conditions(info: Fields, asked: Fields | undefined, demands: Demands): Condition[] {
  const major = Number.parseInt(info.redis_version ?? '', 10);
  const most = Number(info.maxmemory);
  const needed = demands.maxBytes + demands.reserveBytes;
  return [
    { holds: major >= 7, wrong: `version ${info.redis_version}`, mend: 'Install Redis 7 or newer' },
    {
      holds: info.role === 'master',
      wrong: `it is a ${info.role}`,
      mend: 'Connect to the master, or make it one: redis-cli REPLICAOF NO ONE',
    },
    {
      holds: info.aof_enabled === '1',
      wrong: 'no append-only file',
      mend: setting('appendonly', 'yes'),
    },
    ...syncing(asked, demands.vouched),
    {
      holds: info.maxmemory_policy === 'noeviction',
      wrong: `it evicts (${info.maxmemory_policy})`,
      mend: setting('maxmemory-policy', 'noeviction'),
    },
    {
      holds: most === 0 || most >= needed,
      wrong: `maxmemory is less than spool.max_size and spool.reserve together`,
      mend: `${setting('maxmemory', String(needed))}, or lower spool.max_size`,
    },
    {
      holds: info.aof_last_write_status !== 'err',
      wrong: 'it could not write its append-only file',
      mend: 'Free space on its disk, and see its log',
    },
    {
      holds: info.aof_last_bgrewrite_status !== 'err',
      wrong: 'it could not rewrite its append-only file',
      mend: 'Free space on its disk, then redis-cli BGREWRITEAOF',
    },
    {
      holds: info.rdb_last_bgsave_status !== 'err',
      wrong: 'it could not save its snapshot, and takes no writes',
      mend: 'Free space on its disk, then redis-cli BGSAVE; a spool needs no snapshots: redis-cli CONFIG SET save ""',
    },
  ];
}

function syncing(asked: Fields | undefined, vouched: boolean): Condition[] {
  if (asked === undefined)
    return [
      {
        holds: vouched,
        wrong: 'it does not say whether it syncs (CONFIG GET is refused)',
        mend: 'Allow it: redis-cli ACL SETUSER <user> +config|get; or, when you know it, set spool.redis.vouch_fsync = true',
      },
    ];
  return [
    {
      holds: asked.appendfsync === 'always',
      wrong: `it syncs ${asked.appendfsync}`,
      mend: setting('appendfsync', 'always'),
    },
    {
      holds: asked['no-appendfsync-on-rewrite'] === 'no',
      wrong: 'it does not sync while it rewrites',
      mend: setting('no-appendfsync-on-rewrite', 'no'),
    },
  ];
}

/** Nothing when Redis does not let itself be asked. */
async function settings(redis: Redis): Promise<Fields | undefined> {
  try {
    const pairs = (await redis.call('CONFIG', 'GET', 'appendfsync', 'no-appendfsync-on-rewrite')) as string[];
    return Object.fromEntries(
      pairs.flatMap((name, at) => (at % 2 === 0 ? [[name, pairs[at + 1] ?? '']] : [])),
    );
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return undefined;
    throw error;
  }
}

/** What INFO says, by name. */
export function parseInfo(text: string): Fields {
  const pairs = text.split('\r\n').map((line) => /^(\w+):(.*)$/.exec(line));
  return Object.fromEntries(pairs.flatMap((found) => (found === null ? [] : [[found[1], found[2]]])));
}
