import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { until } from '@postern/testkit';

export const haveRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A Redis of its own, with the configuration of `infra/redis`. */
export interface Redis extends AsyncDisposable {
  readonly socket: string;
  /** As a node's configuration names it. */
  readonly url: string;
  readonly pid: number;
  /** Sends SIGKILL. False when it does not run. */
  kill(): boolean;
  /** Resolves once it answers, started again if it has ended or is about to. */
  ready(): Promise<void>;
  /** Gives one command, of words without blanks, and its answer's bytes. */
  ask(...command: string[]): Promise<string>;
}

/** Its data and its socket lie in `folder`. */
export async function startRedis(folder: string, memory = '2gb'): Promise<Redis> {
  const [config, socket, dir] = [
    join(folder, 'redis.conf'),
    join(folder, 'redis.sock'),
    join(folder, 'redis'),
  ];
  const template = await readFile(new URL('../infra/redis/redis.conf', import.meta.url), 'utf8');
  await mkdir(dir);
  await writeFile(
    config,
    template.replace('@SOCKET@', socket).replace('@DIR@', dir).replace('@MAXMEMORY@', memory),
  );
  let child = launch(config);
  const redis: Redis = {
    socket,
    url: `unix:${socket}`,
    get pid() {
      return child.pid ?? Number.NaN;
    },
    kill: () => !ended(child) && child.kill('SIGKILL'),
    async ready() {
      await until(
        async () => {
          if (ended(child)) child = launch(config);
          return (await redis.ask('PING').catch(() => '')).startsWith('+PONG');
        },
        { what: 'Redis answers' },
      );
    },
    async ask(...command) {
      const peer = connect(socket);
      peer.write(`${command.join(' ')}\r\n`);
      const [answer] = (await once(peer, 'data')) as [Buffer];
      peer.destroy();
      return answer.toString('latin1');
    },
    async [Symbol.asyncDispose]() {
      if (redis.kill()) await once(child, 'exit');
    },
  };
  await redis.ready();
  return redis;
}

function launch(config: string): ChildProcess {
  return spawn('redis-server', [config], { stdio: ['ignore', 'ignore', 'inherit'] });
}

function ended({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
