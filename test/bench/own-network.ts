import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { ifInterrupted } from './interrupted.ts';

const mark = 'POSTERN_BENCH_OWN_NETWORK';

/** Whether this process is in a network of the benchmark's own. */
export function isInOwnNetwork(): boolean {
  return process.env[mark] !== undefined;
}

/**
 * Runs this process's own command line in a network of its own, whose loopback has the segments of an Ethernet (1,500 octets): with those of 64 KB
 * that loopback has otherwise, programs wait for one another as they do on no other network. Resolves to its exit code.
 */
export async function runInOwnNetwork(): Promise<number> {
  const command = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const setUp = 'ip link set lo up mtu 1500; exec "$@"';
  const child = spawn('unshare', ['--net', 'sh', '-ec', setUp, 'sh', ...command], {
    stdio: 'inherit',
    env: { ...process.env, [mark]: '1' },
  });
  using _ = ifInterrupted(() => child.kill('SIGTERM'));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

/** From now on whoever receives acknowledges at once, in this network alone: nobody waits for the timer of a delayed ACK (RFC 1122, section 4.2.3.2). */
export function acknowledgeAtOnce(): void {
  for (const to of ['127.0.0.0/8', '127.0.0.1']) {
    const route = `local ${to} dev lo table local proto kernel scope host src 127.0.0.1 quickack 1`;
    execFileSync('ip', ['route', 'replace', ...route.split(' ')]);
  }
}
