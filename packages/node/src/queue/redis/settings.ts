import type { Redis } from 'ioredis';
import { quoted } from './command.ts';
import type { Cli, Condition } from './conditions.ts';
import type { Fields } from './info.ts';

interface Setting {
  readonly name: string;
  readonly value: string;
  readonly wrong: (value: string) => string;
  /** What goes with it, beside setting it. */
  readonly also?: (cli: Cli) => readonly string[];
  readonly fine?: (value: string) => boolean;
  /** First version that has it; older ones never do what it stops. */
  readonly since?: readonly [major: number, minor: number];
  readonly borne?: boolean;
}

const settings: readonly Setting[] = [
  { name: 'appendfsync', value: 'always', wrong: (value) => `it syncs ${value}` },
  { name: 'no-appendfsync-on-rewrite', value: 'no', wrong: () => 'it does not sync while it rewrites' },
  {
    name: 'save',
    value: '',
    wrong: () => 'it saves snapshots, which keep packets on its disk',
    also: () => ['Remove the snapshot that lies there (dump.rdb).'],
  },
  {
    name: 'slowlog-log-slower-than',
    value: '-1',
    wrong: () => 'its slow log keeps commands and their times, which join what came to what left',
    also: (cli) => [cli('SLOWLOG RESET')],
    fine: (value) => Number(value) < 0,
  },
  {
    name: 'aof-timestamp-enabled',
    value: 'no',
    wrong: () => 'it writes times into its append-only file',
  },
  {
    name: 'set-max-listpack-entries',
    value: '0',
    wrong: () => 'it keeps small sets in the order in which they were filled',
    since: [7, 2],
  },
  {
    name: 'latency-monitor-threshold',
    value: '0',
    wrong: () => 'its latency monitor keeps the times of slow commands',
    also: (cli) => [cli('LATENCY RESET')],
    borne: true,
  },
];

/** What Redis says of them; nothing when it says nothing, as one does that does not let itself be asked. */
export async function askSettings(redis: Redis): Promise<Fields | undefined> {
  try {
    const pairs = (await redis.call('CONFIG', 'GET', ...settings.map(({ name }) => name))) as string[];
    if (pairs.length === 0) return undefined;
    return Object.fromEntries(
      pairs.flatMap((name, at) => (at % 2 === 0 ? [[name, pairs[at + 1] ?? '']] : [])),
    );
  } catch (error) {
    if (error instanceof Error && error.name === 'ReplyError') return undefined;
    throw error;
  }
}

/** One condition for each setting that Redis told, and one for those that it did not. */
export function settingConditions(
  asked: Fields | undefined,
  context: { readonly version: string; readonly user: string; readonly vouched: boolean; readonly cli: Cli },
): Condition[] {
  const { version, user, vouched, cli } = context;
  const known = settings.filter(({ since }) => since === undefined || isSince(version, since));
  const untold = known.filter(({ name }) => asked?.[name] === undefined).map(({ name }) => name);
  const told = known.flatMap((setting): Condition[] => {
    const { name, value, wrong, also, borne = false, fine = (found) => found === value } = setting;
    const found = asked?.[name];
    if (found === undefined) return [];
    const mends = [cli(`CONFIG SET ${name} ${value === '' ? '""' : value}`), ...(also?.(cli) ?? [])];
    return [{ name, holds: fine(found), wrong: wrong(found), mends, borne }];
  });
  const rights = quoted('+config|get');
  return [
    ...told,
    {
      name: 'told',
      holds: vouched || untold.length === 0,
      wrong: `it does not say what these are (CONFIG GET): ${untold.join(', ')}`,
      mends: [
        'Set spool.redis.vouch = true when you know that all are as docs/operations/redis.md says; or allow it, and write that down as well (with an ACL file ACL SAVE, otherwise CONFIG REWRITE):',
        cli(`ACL SETUSER ${quoted(user)} ${rights}`),
      ],
      borne: false,
    },
  ];
}

function isSince(version: string, [major, minor]: readonly [number, number]): boolean {
  const [has = 0, behind = 0] = version.split('.').map(Number);
  return has > major || (has === major && behind >= minor);
}
