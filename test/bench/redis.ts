import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { until } from '@postern/testkit';

export const haveRedis = spawnSync('redis-server', ['--version']).status === 0;

/** A Redis of the benchmark's own, with the configuration of `infra/redis`. */
export interface RedisProcess extends AsyncDisposable {
  readonly socket: string;
  readonly pid: number;
}

/** Its data and its socket lie in `folder`. */
export async function startRedis(folder: string, memory = '1gb'): Promise<RedisProcess> {
  const [config, socket] = [join(folder, 'redis.conf'), join(folder, 'redis.sock')];
  const template = await readFile(new URL('../../infra/redis/redis.conf', import.meta.url), 'utf8');
  const filled = template.replace('@SOCKET@', socket).replace('@DIR@', folder);
  await writeFile(config, filled.replace('@MAXMEMORY@', memory));
  const server: ChildProcess = spawn('redis-server', [config], { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(server, 'exit');
  await until(
    () => {
      if (server.exitCode !== null) throw new Error('redis-server did not start');
      return answers(socket);
    },
    { what: 'Redis answers' },
  );
  return {
    socket,
    pid: server.pid as number,
    async [Symbol.asyncDispose]() {
      server.kill();
      await ended;
    },
  };
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (data) => {
      resolve(String(data).startsWith('+PONG'));
      socket.destroy();
    });
    socket.once('error', () => resolve(false));
  });
}
