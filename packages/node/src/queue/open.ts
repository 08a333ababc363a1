import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Clock, ExitCode, isDenied, type Log, type Random } from '@postern/runtime';
import type { NodeConfig } from '../config.ts';
import { NodeError } from '../errors.ts';
import type { Spool } from '../spool.ts';
import type { RedisConfig } from '../spool-config.ts';
import { keepEndings } from './endings.ts';
import type { RedisConnection } from './redis/connection.ts';
import { openSqliteSpool } from './sqlite/spool.ts';

export interface SpoolContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly unitBytes: number;
  /** Hex: whose spool it is. */
  readonly nodeId: string;
}

/** Opens the node's spool in the store that is configured. Throws what that store throws. */
export async function openSpool(config: SpoolOwner, context: SpoolContext): Promise<Spool> {
  return keepEndings(await openStore(config, context), context);
}

type SpoolOwner = Pick<NodeConfig, 'dataDir' | 'name' | 'spool'>;

async function openStore(
  { dataDir, name, spool }: SpoolOwner,
  { nodeId, ...context }: SpoolContext,
): Promise<Spool> {
  const { redis, ...limits } = spool;
  if (redis === undefined)
    return openSqliteSpool({ ...context, ...limits, path: join(dataDir, 'spool.sqlite') });
  const { openRedisSpool } = await import('./redis/spool.ts');
  return openRedisSpool({
    ...context,
    ...limits,
    connection: await connectionFrom(redis),
    name: redis.name ?? name,
    nodeId,
    vouched: redis.vouched,
  });
}

async function connectionFrom({
  address,
  user,
  passwordFile,
  caFile,
}: RedisConfig): Promise<RedisConnection> {
  const login = {
    ...(user === undefined ? {} : { username: user }),
    ...(passwordFile === undefined ? {} : { password: (await read(passwordFile)).replace(/\r?\n$/, '') }),
  };
  if ('path' in address) return { ...address, ...login };
  const { tls, ...rest } = address;
  if (!tls) return { ...rest, ...login };
  return {
    ...rest,
    ...login,
    ...(caFile === undefined ? { tls: {} } : { caFile, tls: { ca: await read(caFile) } }),
  };
}

async function read(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new NodeError('key-file-io', `${path} cannot be read`, {
      cause,
      exitCode: isDenied(cause) ? ExitCode.noPermission : ExitCode.config,
      hint: isDenied(cause)
        ? 'spool.redis names it: make it the node’s user’s, with chown and chmod 600.'
        : 'spool.redis names it: see that it is there, and that the path is right.',
    });
  }
}
