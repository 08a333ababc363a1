import type { Fields } from './info.ts';
import { settingConditions } from './settings.ts';

/** What has to be true of a Redis that is to keep what it was given, and no more of it: how to tell, and what mends it. */
export interface Condition {
  /** Always the same. */
  readonly name: string;
  readonly holds: boolean;
  readonly wrong: string;
  /** What to do, a line each: in words, or a command and nothing else. */
  readonly mends: readonly string[];
  /** A spool is opened without it, and it is logged. */
  readonly borne: boolean;
}

export interface Demands {
  /** The operator says that the settings are as they are to be, where Redis does not let itself be asked. */
  readonly vouched: boolean;
  /** Bytes that the spool may hold, and memory that has to be left beside them. */
  readonly maxBytes: number;
  readonly reserveBytes: number;
  /** How far the clocks of the node and of Redis may be apart. */
  readonly skewMs: number;
}

/** What Redis said, and when. */
export interface Answers {
  readonly info: Fields;
  /** Of CONFIG GET; nothing when that was refused or empty. */
  readonly settings: Fields | undefined;
  /** Of its clock, and of the node's at the nearest moment at which that may have been read. */
  readonly redisMs: number;
  readonly nodeMs: number;
}

/** Makes what an operator types of a command for Redis. */
export type Cli = (command: string) => string;

/** Everything that is asked of a Redis, and whether it holds. `user` is whom the node is to Redis. */
export function conditions(answers: Answers, demands: Demands, cli: Cli, user = 'default'): Condition[] {
  const { info, settings } = answers;
  const version = info.redis_version ?? '';
  const { vouched } = demands;
  return [
    ...kept(info, cli),
    ...settingConditions(settings, { version, user, vouched, cli }),
    room(info, demands, cli),
    clocks(answers, demands.skewMs),
  ];
}

/** Borne: only a node that runs has Redis do that again. */
const rewritten = 'append-only file rewritten';

/** Version 7, master without replicas, append-only file, nothing evicted, no error of persistence. */
function kept(info: Fields, cli: Cli): Condition[] {
  const all: Omit<Condition, 'borne'>[] = [
    {
      name: 'version',
      holds: Number.parseInt(info.redis_version ?? '', 10) >= 7,
      wrong: `version ${info.redis_version}`,
      mends: ['Install Redis 7 or newer.'],
    },
    {
      name: 'master',
      holds: info.role === 'master',
      wrong: `it is a replica (${info.role}) of ${info.master_host} port ${info.master_port}`,
      mends: [
        'Write the address of that master to spool.redis.url, or make this one a master:',
        cli('REPLICAOF NO ONE'),
      ],
    },
    {
      name: 'replicas',
      holds: info.role !== 'master' || info.connected_slaves === '0',
      wrong: `it has replicas (${info.connected_slaves}), which get every packet and keep it as they like`,
      mends: [
        `On each of them (${replicasIn(info).join(', ')}) make it a master:`,
        'redis-cli REPLICAOF NO ONE',
      ],
    },
    {
      name: 'append-only file',
      holds: info.aof_enabled === '1',
      wrong: 'no append-only file',
      mends: [cli('CONFIG SET appendonly yes')],
    },
    {
      name: 'no eviction',
      holds: info.maxmemory_policy === 'noeviction',
      wrong: `it evicts (${info.maxmemory_policy})`,
      mends: [cli('CONFIG SET maxmemory-policy noeviction')],
    },
    {
      name: 'append-only file written',
      holds: info.aof_last_write_status !== 'err',
      wrong: 'it could not write its append-only file',
      mends: ['Free space on its disk, and see its log.'],
    },
    {
      name: rewritten,
      holds: info.aof_last_bgrewrite_status !== 'err',
      wrong: 'it could not rewrite its append-only file, which grows, and tells all that came and went',
      mends: ['Free space on its disk, or memory, then:', cli('BGREWRITEAOF')],
    },
    {
      name: 'snapshot',
      holds: info.rdb_last_bgsave_status !== 'err',
      wrong: 'it could not save its snapshot, and takes no writes',
      mends: [
        'Free space on its disk, then:',
        cli('BGSAVE'),
        'A spool needs no snapshots:',
        cli('CONFIG SET save ""'),
      ],
    },
  ];
  return all.map((one) => ({ ...one, borne: one.name === rewritten }));
}

/** What to do about all of them: what is set is written down as well, so that it stays so. */
export function mendsOf(failed: readonly Condition[], cli: Cli): string {
  const mends = failed.flatMap((one) => one.mends);
  const sets = mends.some((line) => line.includes('CONFIG SET'));
  return [...mends, ...(sets ? [cli('CONFIG REWRITE')] : [])].join('\n');
}

/** Addresses as Redis tells them. */
function replicasIn(info: Fields): string[] {
  return Object.entries(info).flatMap(([name, value]) => {
    const [, host, port] = /^ip=([^,]*),port=(\d+)/.exec(value) ?? [];
    return /^slave\d+$/.test(name) && host !== undefined ? [`${host} port ${port}`] : [];
  });
}

/** Memory that Redis takes for a byte of the spool at most: 43,207 bytes for a packet of 32,768, measured with 7.0. */
const memoryOfByte = 4 / 3;

function room(info: Fields, { maxBytes, reserveBytes }: Demands, cli: Cli): Condition {
  const most = Number(info.maxmemory);
  const needed = Math.ceil(maxBytes * memoryOfByte) + reserveBytes;
  return {
    name: 'memory',
    holds: most === 0 || most >= needed,
    wrong: `maxmemory is less than ${needed}, which is a third more than spool.max_size, and spool.reserve`,
    mends: ['Lower spool.max_size, or:', cli(`CONFIG SET maxmemory ${needed}`)],
    borne: false,
  };
}

export function clocks({ nodeMs, redisMs }: Pick<Answers, 'nodeMs' | 'redisMs'>, skewMs: number): Condition {
  const time = (ms: number): string => new Date(ms).toISOString();
  return {
    name: 'clock',
    holds: Math.abs(nodeMs - redisMs) <= skewMs,
    wrong: `its clock says ${time(redisMs)}, and that of this node ${time(nodeMs)}`,
    mends: [`Have both machines keep time (NTP): they may be ${skewMs / 1_000} seconds apart.`],
    borne: false,
  };
}
