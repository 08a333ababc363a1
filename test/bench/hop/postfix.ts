import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { chmod, chown, mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCarriage } from '@postern/mail';
import { defaultGeometry } from '@postern/protocol/packet';
import { systemRandom } from '@postern/runtime';
import { freePorts } from '@postern/testkit';
import { ifInterrupted } from '../interrupted.ts';
import { carriageTo } from './mix.ts';
import type { Relay } from './relay.ts';

export interface PostfixOptions {
  readonly sinkPort: number;
  /** Paths. */
  readonly tls: { readonly key: string; readonly cert: string };
  /** Connections to the sink at most; Debian's bound of 20 when not given. */
  readonly connections?: number;
  /** Whether several messages go over one connection to the sink (`smtp_tls_connection_reuse`). Debian's default is no. */
  readonly reuse: boolean;
}

export const postfix = '/usr/sbin/postfix';

/** Debian's Postfix with its defaults, but that it relays what is for `next.test` to the sink, over TLS in and out. */
export async function startPostfix({ sinkPort, tls, connections, reuse }: PostfixOptions): Promise<Relay> {
  const folder = await mkdtemp(join(tmpdir(), 'postern-hop-postfix-'));
  await chmod(folder, 0o755);
  const etc = join(folder, 'etc');
  for (const name of ['etc', 'spool', 'data']) await mkdir(join(folder, name));
  await chown(join(folder, 'data'), Number(execFileSync('id', ['-u', 'postfix'], { encoding: 'utf8' })), 0);
  const [port = 0] = await freePorts(1);
  const settings = {
    compatibility_level: '3.6',
    myhostname: 'relay.test',
    queue_directory: join(folder, 'spool'),
    data_directory: join(folder, 'data'),
    maillog_file: join(folder, 'log'),
    maillog_file_prefixes: folder,
    inet_interfaces: '127.0.0.1',
    inet_protocols: 'ipv4',
    mynetworks: '127.0.0.0/8',
    mydestination: '',
    alias_maps: '',
    relay_domains: 'next.test',
    relayhost: `[127.0.0.1]:${sinkPort}`,
    smtpd_tls_cert_file: tls.cert,
    smtpd_tls_key_file: tls.key,
    smtpd_tls_security_level: 'encrypt',
    smtp_tls_security_level: 'encrypt',
    smtp_tls_connection_reuse: reuse ? 'yes' : 'no',
    smtp_tls_session_cache_database: 'btree:$data_directory/smtp_scache',
    ...(connections === undefined
      ? {}
      : {
          default_destination_concurrency_limit: String(connections),
          initial_destination_concurrency: String(connections),
        }),
  };
  await writeFile(
    join(etc, 'main.cf'),
    Object.entries(settings)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join(''),
  );
  const debian = await readFile('/usr/share/postfix/master.cf.dist', 'utf8');
  await writeFile(
    join(etc, 'master.cf'),
    debian.replace(/^smtp(?=\s+inet\s)/m, `127.0.0.1:${port}`).replace(/^#(?=tlsproxy\s)/m, ''),
  );
  execFileSync(postfix, ['-c', etc, 'start'], { stdio: 'ignore' });
  const stop = (): void => {
    execFileSync(postfix, ['-c', etc, 'stop'], { stdio: 'ignore' });
    rmSync(folder, { recursive: true, force: true });
  };
  const interrupted = ifInterrupted(stop);
  const master = Number(await readFile(join(folder, 'spool', 'pid', 'master.pid'), 'utf8'));
  return {
    port,
    pids: () => [master, ...childrenOf(master)],
    from: 'secure@source.test',
    to: 'secure@next.test',
    carriage(number) {
      const bytes = systemRandom.bytes(defaultGeometry.packetBytes);
      new DataView(bytes.buffer, bytes.byteOffset).setUint32(0, number);
      return carriageTo('next.test', bytes);
    },
    numberIn(message) {
      const opened = openCarriage(message, defaultGeometry.packetBytes);
      return opened.kind === 'refused' ? undefined : Buffer.from(opened.bytes).readUInt32BE();
    },
    async [Symbol.asyncDispose]() {
      interrupted[Symbol.dispose]();
      stop();
    },
  };
}

/** proc(5). */
function childrenOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8');
  return children
    .split(' ')
    .filter((child) => child !== '')
    .map(Number);
}
