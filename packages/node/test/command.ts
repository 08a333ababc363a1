import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { parseAuthorityConfig, type RunningAuthority, startAuthority } from '@postern/directory';
import { silentLog, systemClock, systemRandom } from '@postern/runtime';
import { type CommandHost, type Ended, hostCommands } from '@postern/runtime/testing';

/** Runs commands of `postern-node` that end by themselves. */
export const commands: CommandHost = hostCommands(new URL('./command-host.ts', import.meta.url));

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  err(): string;
}

/** Starts `postern-node` in a folder, in a process of its own. */
export function startCommand(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Started {
  const program = new URL('../src/main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--conditions=@postern/source', program, ...args], {
    cwd,
    env: { ...process.env, ...env },
  });
  child.stdin.end();
  let [out, err] = ['', ''];
  child.stdout.on('data', (part) => {
    out += part;
  });
  child.stderr.on('data', (part) => {
    err += part;
  });
  const ended = new Promise<Ended>((resolve) =>
    child.once('close', (code) => resolve({ code: code ?? -1, out, err })),
  );
  return { child, ended, err: () => err };
}

/** An authority for the nodes of a folder, and the options by which they find it. */
export async function authorityIn(
  folder: string,
  more: object,
): Promise<RunningAuthority & { readonly network: readonly string[] }> {
  const own = { name: 'authority.test', data_dir: join(folder, 'authority'), listen: '127.0.0.1:0' };
  const config = parseAuthorityConfig({ ...own, ...more });
  const authority = await startAuthority(config, {
    clock: systemClock,
    random: systemRandom,
    log: silentLog,
  });
  return { ...authority, network: ['--directory-url', authority.url, '--authority', authority.vkey] };
}
