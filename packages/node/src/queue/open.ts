import { join } from 'node:path';
import type { Clock, Log, Random } from '@postern/runtime';
import type { NodeConfig } from '../config.ts';
import { readOpenFile, readSecret } from '../keys/files.ts';
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
    ...(passwordFile === undefined ? {} : { password: await passwordIn(passwordFile) }),
  };
  if ('path' in address) return { ...address, ...login };
  const { tls, ...rest } = address;
  if (!tls) return { ...rest, ...login };
  return {
    ...rest,
    ...login,
    ...(caFile === undefined
      ? { tls: {} }
      : { caFile, tls: { ca: Buffer.from(await readOpenFile(caFile, ifMissing)).toString('utf8') } }),
  };
}

const ifMissing = 'spool.redis names it: correct that, or make the file.';

async function passwordIn(path: string): Promise<string> {
  const bytes = await readSecret(path, { what: 'the password', ifMissing });
  return Buffer.from(bytes)
    .toString('utf8')
    .replace(/\r?\n$/, '');
}
