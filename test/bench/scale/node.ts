import { cp, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readControl } from '@postern/runtime';
import { lastLines, type Supervised, startProcess, until } from '@postern/testkit';
import type { Mix } from '../hop/mix.ts';
import { ifInterrupted } from '../interrupted.ts';

/** One process of a mix over Redis. */
export interface StageProcess extends AsyncDisposable {
  readonly pid: number;
  /** What waits in the spool. */
  counts(): Promise<{ readonly inputs: number; readonly relays: number }>;
  /** Stops it where it is, so that work waits for it; it has been started by then. */
  hold(): void;
  go(): void;
  /** The directory of its data. */
  readonly dataDir: string;
}

/** Has the mix keep its spool in Redis. To be called before any of its processes is started. */
export async function keepInRedis({ configPath }: Mix, socket: string): Promise<void> {
  const config = await readFile(configPath, 'utf8');
  const spool = `[spool]\nstore = "redis"\nmax_size = "600MB"\nreserve = "16MB"\nredis.url = "unix:${socket}"\n`;
  await writeFile(configPath, config.replace(/^\[spool\]\n/m, spool));
}

/** Starts the stages `only` in a process of their own, on a copy of the mix's data directory called `name`. */
export async function startStages(
  { folder, configPath }: Mix,
  name: string,
  only: readonly string[],
): Promise<StageProcess> {
  const dataDir = join(folder, name);
  if (name !== 'mix') {
    const copied = ['control.sock', 'lock'];
    await cp(join(folder, 'mix'), dataDir, {
      recursive: true,
      filter: (path) => !copied.some((left) => path.endsWith(left)),
    });
  }
  const own = join(folder, `${name}.toml`);
  const config = await readFile(configPath, 'utf8');
  await writeFile(own, config.replace(/^data_dir = .*$/m, `data_dir = ${JSON.stringify(dataDir)}`));
  await using opened = new AsyncDisposableStack();
  const child: Supervised = opened.use(
    await startProcess({
      name,
      program: 'postern-node',
      args: ['run', '--config', own, '--only', only.join(',')],
      log: join(folder, `${name}.log`),
      restart: false,
    }),
  );
  let end: string | undefined;
  void child.ended.then((how) => {
    end = how;
  });
  opened.defer(() => {
    // One that is held does not hear that it is to stop.
    if (end === undefined) process.kill(child.pid, 'SIGCONT');
  });
  opened.use(ifInterrupted(() => process.kill(child.pid, 'SIGKILL')));
  const status = async () => JSON.parse(await readControl(join(dataDir, 'control.sock'), '/status'));
  await until(
    async () => {
      if (end !== undefined) throw new Error(`${name} ended (${end}): ${await lastLines(child)}`);
      return status().then(
        () => true,
        () => false,
      );
    },
    { what: `${name} runs`, deadlineMs: 60_000 },
  );
  const running = opened.move();
  return {
    pid: child.pid,
    dataDir,
    counts: async () => (await status()).counts,
    hold: () => void process.kill(child.pid, 'SIGSTOP'),
    go: () => void process.kill(child.pid, 'SIGCONT'),
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
