import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Endpoint } from '@postern/runtime';
import { freePort, haveAsRoot, openFolder, until } from './debian.ts';
import { here, type Place } from './place.ts';

export interface UnboundOptions {
  /** Trust anchors of the root, as lines of a zone file. */
  readonly root: string;
  /** Where each zone is asked for, the root among them. */
  readonly stubs: readonly { readonly zone: string; readonly address: Endpoint }[];
  /** A free port of 127.0.0.1 unless given. */
  readonly listen?: Endpoint;
  readonly place?: Place;
}

/** Debian's unbound, validating, on loopback. */
export interface Unbound extends AsyncDisposable {
  readonly address: Endpoint;
  /** Every question that it was asked or asked itself, with the answers in outline. */
  log(): Promise<string>;
  /** What it has cached, as text. */
  cached(): Promise<string>;
  /** Forgets what it has cached. */
  flush(): Promise<void>;
}

export const haveUnbound: boolean = await haveAsRoot('/usr/sbin/unbound', '/usr/sbin/unbound-control');

export async function startUnbound({ root, stubs, listen, place = here }: UnboundOptions): Promise<Unbound> {
  const folder = await openFolder('unbound');
  const { host, port } = listen ?? { host: '127.0.0.1', port: await freePort('127.0.0.1') };
  const conf = join(folder, 'unbound.conf');
  await mkdir(join(folder, 'run'));
  await writeFile(join(folder, 'anchors'), `${root}\n`);
  await writeFile(conf, await unboundConf(folder, { host, port }, stubs));
  const daemon = place.start('/usr/sbin/unbound', ['-d', '-c', conf]);
  const exited = once(daemon, 'exit');
  const control = (...args: string[]): Promise<boolean> =>
    run('/usr/sbin/unbound-control', ['-c', conf, ...args]).then(
      () => true,
      () => false,
    );
  await until(() => control('status'));
  return {
    address: { host, port },
    log: () => readFile(join(folder, 'log'), 'utf8'),
    cached: async () => (await run('/usr/sbin/unbound-control', ['-c', conf, 'dump_cache'])).stdout,
    flush: async () => {
      if (!(await control('flush_zone', '.'))) throw new Error('unbound did not flush its cache');
    },
    [Symbol.asyncDispose]: async () => {
      daemon.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

const run = promisify(execFile);

async function unboundConf(folder: string, at: Endpoint, stubs: UnboundOptions['stubs']): Promise<string> {
  const template = await readFile(new URL('../../infra/dns/unbound.conf', import.meta.url), 'utf8');
  const filled = template
    .replaceAll('@ADDRESS@', at.host)
    .replaceAll('@PORT@', String(at.port))
    .replaceAll('@ANCHORS@', join(folder, 'anchors'))
    .replaceAll('@RUN@', join(folder, 'run'))
    .replaceAll('@USER@', '');
  // Only in a test do the zones' servers live on loopback; names below `test` are otherwise answered by unbound itself (RFC 6761).
  const own = [
    'server:',
    `    logfile: "${join(folder, 'log')}"`,
    '    log-queries: yes',
    '    log-replies: yes',
    '    verbosity: 3', // also what it asks others
    '    do-not-query-localhost: no',
    '    local-zone: "test." nodefault',
    '    local-zone: "invalid." nodefault',
  ];
  const entries = stubs.flatMap(({ zone, address }) => [
    'stub-zone:',
    `    name: "${zone}"`,
    `    stub-addr: ${address.host}@${address.port}`,
  ]);
  return `${filled}\n${[...own, ...entries].join('\n')}\n`;
}
