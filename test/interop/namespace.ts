import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { nodeArguments, type Program } from '@postern/testkit';
import { haveAsRoot, openFolder } from './debian.ts';
import { type Place, placeOf } from './place.ts';

/**
 * A network and a resolv.conf of one's own: every port is free, and nobody outside can connect. Programs run there beside others of this
 * machine: their files and process ids are the same.
 */
export interface Namespace extends Place, AsyncDisposable {
  /** Of a program in it. */
  readonly pid: number;
  /** Starts a command of ours. */
  startProgram(program: Program, args: readonly string[]): ChildProcess;
}

export const haveNamespaces: boolean =
  (await haveAsRoot('/usr/bin/unshare', '/usr/bin/nsenter', '/usr/sbin/ip')) &&
  spawnSync('/usr/bin/unshare', ['--net', '--mount', 'true']).status === 0;

/** It lasts until disposed of; whoever starts programs in it ends them before. */
export async function startNamespace({ resolver }: { readonly resolver: string }): Promise<Namespace> {
  const folder = await openFolder('namespace');
  const resolvConf = join(folder, 'resolv.conf');
  await writeFile(resolvConf, `nameserver ${resolver}\n`);
  const holder = spawn('/usr/bin/unshare', ['--net', '--mount', 'sh', '-ec', setUp, 'sh', resolvConf], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(holder, 'exit');
  const ready = once(holder.stdout, 'data').then(() => true);
  if (!(await Promise.race([ready, exited.then(() => false)]))) throw new Error('no namespace could be made');
  const { pid = 0 } = holder;
  const place = placeOf((program, args) => [
    '/usr/bin/nsenter',
    [`--target=${pid}`, '--net', '--mount', program, ...args],
  ]);
  return {
    ...place,
    pid,
    startProgram: (program, args) => place.start(process.execPath, [...nodeArguments(program), ...args]),
    [Symbol.asyncDispose]: async () => {
      holder.stdin.end();
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

/** Its last program holds the namespace, and ends with us at the latest. */
const setUp = `
/usr/sbin/ip link set lo up
mount --bind "$1" /etc/resolv.conf
echo ready
exec cat
`;
