import { connect } from 'node:net';
import { join } from 'node:path';
import { type Supervised, startProcess, until } from '@postern/testkit';
import { ifInterrupted } from '../interrupted.ts';
import { createMix, mixName } from './mix.ts';
import type { Relay } from './relay.ts';

/** A mix as a relay, and its process. */
export interface PosternRelay extends Relay {
  /** Of the one that runs now. */
  readonly pid: number;
  /** Stops it, and starts it again; resolves to how long the new one took to its first greeting, ms. */
  restart(): Promise<number>;
}

/** A mix with its defaults, as its operator runs it, whose next hop is `sink`. */
export async function startPostern(sink: {
  readonly port: number;
  readonly pin: string;
}): Promise<PosternRelay> {
  await using opened = new AsyncDisposableStack();
  const { folder, configPath, port, listed, relay } = opened.use(await createMix(sink));
  const start = (): Promise<Supervised> =>
    startProcess({
      name: mixName,
      program: 'postern-node',
      args: ['run', '--config', configPath],
      log: join(folder, 'log'),
      restart: false,
    });
  let mix = await start();
  opened.defer(async () => void (await mix.stop()));
  opened.use(ifInterrupted(() => process.kill(mix.pid, 'SIGKILL')));
  await listed();

  const running = opened.move();
  return {
    ...relay,
    port,
    get pid() {
      return mix.pid;
    },
    pids: () => [mix.pid],
    async restart() {
      await mix.stop();
      const began = performance.now();
      mix = await start();
      await until(() => greets(port), { what: 'the mix takes SMTP again', deadlineMs: 60_000 });
      return performance.now() - began;
    },
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('data', () => socket.destroy());
    socket.once('error', () => undefined);
    socket.once('close', () => resolve(socket.bytesRead > 0));
  });
}
