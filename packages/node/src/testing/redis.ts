import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { Redis } from 'ioredis';

export const haveRedis: boolean = spawnSync('redis-server', ['--version']).status === 0;

/** A Redis of a test's own, with the configuration of `infra/redis`. It dies with whoever started it, however that ends. */
export interface RedisServer extends AsyncDisposable {
  readonly socket: string;
  /** As a node's configuration names it. */
  readonly url: string;
  /** Where its append-only file lies. */
  readonly dir: string;
  readonly pid: number;
  readonly isRunning: boolean;
  /** Starts it, again if it was killed, behind `before`, a command that runs another; resolves once it answers. */
  start(before?: readonly string[]): Promise<void>;
  /** Resolves once it answers, started again if it has ended or is about to. */
  ready(): Promise<void>;
  /** Sends the signal at once, and resolves when it has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Gives it one command. Rejects when nobody answers, and with an answer that is an error. */
  ask(...command: string[]): Promise<unknown>;
  /** Kills it, and removes its folder. */
  stop(): Promise<void>;
}

/** How often it is looked whether it answers, and for how long. */
const lookEveryMs = 5;
const mostMs = 60_000;
/** Linux kills a process that was started by it as soon as its parent has died, prctl(2). */
const withItsParent = ['setpriv', '--pdeathsig', 'KILL'];

/** Its data and its socket lie in `folder`. `given`: arguments on top of its configuration. */
export async function startRedis(folder: string, given: readonly string[] = []): Promise<RedisServer> {
  const socket = join(folder, 'redis.sock');
  const dir = join(folder, 'redis');
  const config = join(folder, 'redis.conf');
  const template = await readFile(new URL('../../../../infra/redis/redis.conf', import.meta.url), 'utf8');
  await mkdir(dir, { recursive: true });
  await writeFile(
    config,
    template.replace('@SOCKET@', socket).replace('@DIR@', dir).replace('@MAXMEMORY@', '2gb'),
  );
  let child: ChildProcess | undefined;
  const launch = async (before: readonly string[] = []): Promise<void> => {
    await rm(socket, { force: true });
    const server = [...withItsParent, 'redis-server', config, ...given];
    const [command = '', ...rest] = before.length === 0 ? server : [...withItsParent, ...before, ...server];
    // What stands before it is killed with it: they are a group.
    child = spawn(command, rest, { stdio: ['ignore', 'ignore', 'inherit'], detached: true });
    await once(child, 'spawn');
  };
  const answers = (): Promise<boolean> =>
    ask(socket, 'PING').then(
      (said) => said === 'PONG',
      () => false,
    );
  const server: RedisServer = {
    socket,
    url: `unix:${socket}`,
    dir,
    get pid() {
      return child?.pid ?? Number.NaN;
    },
    get isRunning() {
      return child !== undefined && child.exitCode === null && child.signalCode === null;
    },
    async start(before) {
      await launch(before);
      await untilIt(async () => {
        if (!server.isRunning) throw new Error('redis-server did not start');
        return answers();
      });
    },
    ready: () =>
      untilIt(async () => {
        if (!server.isRunning) await launch();
        return answers();
      }),
    async kill(signal = 'SIGKILL') {
      if (child?.pid === undefined || !server.isRunning) return;
      const ended = once(child, 'exit');
      process.kill(-child.pid, signal);
      await ended;
    },
    ask: (...command) => ask(socket, ...command),
    async stop() {
      await server.kill();
      await rm(folder, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => server.kill(),
  };
  await using starting = new AsyncDisposableStack();
  starting.use(server);
  await server.start();
  starting.move();
  return server;
}

/** In a cluster it is all of it: it has every slot, and refuses what touches keys of several. */
export async function startRedisCluster(folder: string): Promise<RedisServer> {
  const server = await startRedis(folder, ['--cluster-enabled', 'yes']);
  await server.ask('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  await untilIt(async () => String(await server.ask('CLUSTER', 'INFO')).includes('cluster_state:ok'));
  return server;
}

async function untilIt(answers: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + mostMs;
  while (!(await answers())) {
    if (performance.now() > deadline)
      throw new Error(`redis-server does not answer within ${mostMs / 1_000} s`);
    await pause(lookEveryMs);
  }
}

/** While it loads its file it says so; ioredis would ask again a second later. */
async function ask(path: string, name = '', ...rest: string[]): Promise<unknown> {
  const redis = new Redis({ path, lazyConnect: true, enableReadyCheck: false, retryStrategy: () => null });
  redis.on('error', () => undefined);
  try {
    await redis.connect();
    return await redis.call(name, ...rest);
  } finally {
    redis.disconnect();
  }
}
