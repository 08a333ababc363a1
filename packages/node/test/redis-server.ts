import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { until } from './support.ts';

export const haveRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A Redis of the test's own, with the configuration of `infra/redis`, and what is given on top. */
export interface RedisServer {
  readonly socket: string;
  /** Where its append-only file lies. */
  readonly dir: string;
  /** Starts it, again if it was killed. */
  start(before?: readonly string[]): Promise<void>;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Asks it something. */
  ask(...command: string[]): Promise<unknown>;
  stop(): Promise<void>;
}

/** In a cluster it is all of it: it has every slot, and refuses what touches keys of several. */
export async function redisCluster(folder: string): Promise<RedisServer> {
  const server = await redisServer(folder, ['--cluster-enabled', 'yes']);
  await server.ask('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  await until(async () => String(await server.ask('CLUSTER', 'INFO')).includes('cluster_state:ok'));
  return server;
}

export async function redisServer(folder: string, given: readonly string[] = []): Promise<RedisServer> {
  const socket = join(folder, 'redis.sock');
  const dir = join(folder, 'redis');
  const config = join(folder, 'redis.conf');
  const template = await readFile(new URL('../../../infra/redis/redis.conf', import.meta.url), 'utf8');
  const filled = template.replace('@SOCKET@', socket).replace('@DIR@', dir).replace('@MAXMEMORY@', '1gb');
  await mkdir(dir, { recursive: true });
  await writeFile(config, filled);
  let child: ChildProcess | undefined;

  const running = (): boolean => child !== undefined && child.exitCode === null && child.signalCode === null;
  const ask: RedisServer['ask'] = async (name = '', ...rest) => {
    // While it loads its file it says so; ioredis would ask again a second later.
    const redis = new Redis({
      path: socket,
      lazyConnect: true,
      enableReadyCheck: false,
      retryStrategy: () => null,
    });
    redis.on('error', () => undefined);
    try {
      await redis.connect();
      return await redis.call(name, ...rest);
    } finally {
      redis.disconnect();
    }
  };
  const kill: RedisServer['kill'] = async (signal = 'SIGKILL') => {
    if (child?.pid === undefined || !running()) return;
    process.kill(-child.pid, signal);
    await until(() => !running());
  };
  const server: RedisServer = {
    socket,
    dir,
    ask,
    kill,
    async start(before = []) {
      await rm(socket, { force: true });
      const [command = '', ...rest] = [...before, 'redis-server', config, ...given];
      child = spawn(command, rest, { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
      await until(async () => {
        if (!running()) throw new Error('redis-server did not start');
        return ask('PING').then(
          () => true,
          () => false,
        );
      });
    },
    async stop() {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
  await server.start();
  return server;
}
