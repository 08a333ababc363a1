import { type ChildProcess, spawn } from 'node:child_process';

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  err(): string;
}

/** Starts `postern-node` in a folder, with what it reads from standard input. */
export function startCommand(cwd: string, args: readonly string[], input?: string): Started {
  const program = new URL('../src/main.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, ['--conditions=@postern/source', program, ...args], { cwd });
  child.stdin.on('error', () => undefined); // one that ends without reading it
  child.stdin.end(input);
  let [out, err] = ['', ''];
  child.stdout.on('data', (part) => {
    out += part;
  });
  child.stderr.on('data', (part) => {
    err += part;
  });
  const ended = new Promise<Ended>((resolve) => child.once('close', (code) => resolve({ code, out, err })));
  return { child, ended, err: () => err };
}
