import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { pathsUnder } from '@postern/client';
import { type NetworkFile, type Person, until } from '@postern/testkit';

/** A testnet as a user starts it, in processes of its own. */
export interface RunningTestnet extends AsyncDisposable {
  /** Holds everything of it, its own output in `output`. */
  readonly dir: string;
  readonly people: readonly Person[];
  /** `network.json` as it lies there now: a restart changes a pid. */
  read(): Promise<NetworkFile>;
  /** SIGTERM; resolves to how it ended. */
  stop(): Promise<string>;
}

const main = fileURLToPath(new URL('../../packages/testkit/src/testnet/main.ts', import.meta.url));

/** What `npm run testnet -- --dir DIR --restart` runs, with further arguments. */
export async function spawnTestnet(args: readonly string[] = []): Promise<RunningTestnet> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-faults-'));
  const dir = join(folder, 'net');
  const output = join(folder, 'output');
  await using opened = new AsyncDisposableStack();
  const child = await run([main, '--dir', dir, '--restart', ...args], output);
  const stop = async (): Promise<string> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
    return child.signalCode ?? `exit ${child.exitCode}`;
  };
  opened.defer(async () => void (await stop()));
  const read = async (): Promise<NetworkFile> =>
    JSON.parse(await readFile(join(dir, 'network.json'), 'utf8'));
  const network = await until(
    async () => {
      if (child.exitCode !== null) throw new Error(`the testnet ended:\n${await readFile(output, 'utf8')}`);
      return read().catch(() => undefined);
    },
    { what: 'the testnet is ready', deadlineMs: 120_000 },
  );
  const running = opened.move();
  return {
    dir: folder,
    people: network.domains.flatMap(({ domain, mailboxes }) =>
      mailboxes.map(({ mailbox, password, passphraseFile, home, maildir }): Person => {
        const local = mailbox.slice(0, mailbox.indexOf('@'));
        return { mailbox, local, domain, password, passphraseFile, home, maildir, paths: pathsUnder(home) };
      }),
    ),
    read,
    stop,
    [Symbol.asyncDispose]: () => running.disposeAsync(),
  };
}

async function run(args: readonly string[], output: string): Promise<ChildProcess> {
  const file = await open(output, 'a');
  try {
    const stdio = ['ignore', file.fd, file.fd] as const;
    const child = spawn(process.execPath, ['--conditions=@postern/source', ...args], { stdio: [...stdio] });
    await once(child, 'spawn');
    return child;
  } finally {
    await file.close();
  }
}
