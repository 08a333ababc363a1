import { cp, readFile, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { formatEndpoint, readControl } from '@postern/runtime';
import { freePorts, type Member, type Supervised, startProcess, until } from '@postern/testkit';
import type { Counting } from './evidence.ts';

/** A second process at the spool in Redis of a node that runs, with the same keys. */
export interface Twin extends Counting, AsyncDisposable {
  readonly process: Supervised;
  /** How many units it has taken from the spool since its start and worked off. */
  worked(): Promise<number>;
}

/** What of a data directory is a process' own. */
const ofProcess: ReadonlySet<string> = new Set(['control.sock', 'lock']);

/** Added as docs/operations/redis.md says, with all stages. Resolves once it works. Nothing is handed to it: what it does comes from the spool. */
export async function startTwin({ name, folder, listen }: Member): Promise<Twin> {
  const own = `${folder}-twin`;
  const dataDir = join(own, 'data');
  await cp(join(folder, 'data'), dataDir, {
    recursive: true,
    filter: (path) => !ofProcess.has(basename(path)),
  });
  const [port = 0] = await freePorts(1);
  const config = join(own, 'node.toml');
  const text = await readFile(join(folder, 'node.toml'), 'utf8');
  const listening = (host: string, at: number): string => `listen = "${formatEndpoint({ host, port: at })}"`;
  await writeFile(config, text.replace(listening(listen.host, listen.port), listening(listen.host, port)));
  await using opened = new AsyncDisposableStack();
  const process = opened.use(
    await startProcess({
      name: `${name}, second process`,
      program: 'postern-node',
      args: ['run', '--config', config],
      log: join(own, 'log'),
      restart: true,
    }),
  );
  const worked = async (): Promise<number> => {
    const status: { counters: Record<'peeled' | 'unwrapped', Record<string, number>> } = JSON.parse(
      await readControl(join(dataDir, 'control.sock'), '/status'),
    );
    const { peeled, unwrapped } = status.counters;
    return [...Object.values(peeled), ...Object.values(unwrapped)].reduce((sum, count) => sum + count, 0);
  };
  const answers = async (): Promise<boolean> => (await worked().catch(() => -1)) >= 0;
  await until(answers, { what: `a second process of ${name} answers` });
  const running = opened.move();
  return {
    process,
    dataDir,
    get pid() {
      return process.pid;
    },
    worked,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}
