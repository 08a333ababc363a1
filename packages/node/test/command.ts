import { type ChildProcess, spawn } from 'node:child_process';
import { type CommandHost, type Ended, hostCommands } from '@postern/runtime/testing';

/** Runs commands of `postern-node` that end by themselves. */
export const commands: CommandHost = hostCommands(new URL('./command-host.ts', import.meta.url));

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  err(): string;
}

/** Starts `postern-node` in a folder, in a process of its own. */
export function startCommand(cwd: string, args: readonly string[]): Started {
  const program = new URL('../src/main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--conditions=@postern/source', program, ...args], { cwd });
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
