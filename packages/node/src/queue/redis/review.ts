import type { Clock, Log } from '@postern/runtime';
import { ExitCode } from '@postern/runtime';
import type { Redis } from 'ioredis';
import { NodeError } from '../../errors.ts';
import { redisCli } from './command.ts';
import {
  type Answers,
  type Cli,
  type Condition,
  clocks,
  conditions,
  type Demands,
  mendsOf,
} from './conditions.ts';
import type { RedisConnection } from './connection.ts';
import { redisFault } from './faults.ts';
import { parseInfo } from './info.ts';
import { askSettings } from './settings.ts';

/** Sees to it that Redis is what a spool needs. */
export interface Review {
  /**
   * Throws `NodeError` `spool-unsafe` with everything that is wrong and the commands that mend it, unless Redis keeps all that it has
   * acknowledged, keeps no more of it than it has to, and has the node's time. `spool-io` while Redis starts.
   */
  assert(redis: Redis): Promise<void>;
  /** Throws `NodeError` `spool-unsafe` unless Redis has the node's time. */
  assertTime(redis: Redis): Promise<void>;
  /** Logs once what has become wrong since, and once that it is right again. */
  again(redis: Redis): Promise<void>;
}

export function createReview(context: {
  readonly connection: RedisConnection;
  readonly demands: Demands;
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn'>;
}): Review {
  const { connection, demands, clock, log } = context;
  const cli: Cli = (command) => redisCli(connection, command);
  const wrong = new Set<string>();

  const look = async (redis: Redis): Promise<Condition[]> =>
    conditions(await ask(redis, clock), demands, cli, connection.username);
  const note = (condition: Condition): void => {
    const { name, holds, wrong: what } = condition;
    if (holds && wrong.delete(name)) log.info('redis is as it should be again', { condition: name });
    if (holds || wrong.has(name)) return;
    wrong.add(name);
    log.warn('redis is not as it should be', { condition: name, what, hint: mendsOf([condition], cli) });
  };

  return {
    async assert(redis) {
      const found = await look(redis);
      const failed = found.filter(({ holds, borne }) => !holds && !borne);
      if (failed.length > 0) throw unsafe(failed, cli);
      found.forEach(note);
    },
    async assertTime(redis) {
      const found = clocks(await askTime(redis, clock), demands.skewMs);
      if (!found.holds) throw unsafe([found], cli);
    },
    async again(redis) {
      (await look(redis)).forEach(note);
    },
  };
}

function unsafe(failed: readonly Condition[], cli: Cli): NodeError {
  const what = failed.map(({ wrong }) => wrong).join('; ');
  return new NodeError('spool-unsafe', `this Redis is not fit for a spool: ${what}`, {
    hint: mendsOf(failed, cli),
    exitCode: ExitCode.config,
  });
}

async function ask(redis: Redis, clock: Clock): Promise<Answers> {
  const info = parseInfo(await redis.info());
  // Meanwhile it says that it has no such file.
  if (info.loading === '1') throw redisFault('spool-io', 'Redis is reading its append-only file');
  const settings = await askSettings(redis);
  return { info, settings, ...(await askTime(redis, clock)) };
}

async function askTime(redis: Redis, clock: Clock): Promise<Pick<Answers, 'redisMs' | 'nodeMs'>> {
  const earliest = clock.now();
  const [seconds, micros] = (await redis.time()) as unknown as [string, string];
  const latest = clock.now();
  const redisMs = Number(seconds) * 1_000 + Math.floor(Number(micros) / 1_000);
  return { redisMs, nodeMs: Math.min(Math.max(redisMs, earliest), latest) };
}
