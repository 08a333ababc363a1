import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { createIdentity, freePort, haveAsRoot, openFolder, until } from './debian.ts';

/** Debian's Dovecot with LMTP for bob@b.test, and for full@b.test whose quota is used up; over IMAP their password is `x`. */
export interface Dovecot extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** IMAP over TLS from the first octet, with this certificate. */
  readonly imap: { readonly host: string; readonly port: number; readonly cert: string };
  /** What lies in bob's mailbox. */
  mail(): Promise<Buffer[]>;
}

export const haveDovecot: boolean = await haveAsRoot(
  '/usr/sbin/dovecot',
  '/usr/lib/dovecot/lmtp',
  '/usr/lib/dovecot/imap-login',
  '/usr/bin/openssl',
);

export async function startDovecot(): Promise<Dovecot> {
  const folder = await openFolder('dovecot');
  const host = '127.0.0.1';
  const port = await freePort(host);
  const imap = { host, port: await freePort(host) };
  const { key, cert } = createIdentity('mail.b.test');
  await writeFile(join(folder, 'tls.pem'), key + cert, { mode: 0o600 });
  const path = join(folder, 'lmtp');
  await mkdir(join(folder, 'mail'));
  await chown(join(folder, 'mail'), nobody, nobody);
  await writeFile(join(folder, 'users'), users(folder));
  const config = join(folder, 'dovecot.conf');
  await writeFile(config, dovecotConf(folder, { host, port, path, imapPort: imap.port }));
  const daemon: ChildProcess = spawn('/usr/sbin/dovecot', ['-F', '-c', config], { stdio: 'ignore' });
  const exited = once(daemon, 'exit');
  await until(async () => (await listens(host, port)) && (await listens(host, imap.port)));
  const box = join(folder, 'mail', 'bob', 'new');
  return {
    host,
    port,
    path,
    imap: { ...imap, cert },
    mail: async () =>
      Promise.all((await readdir(box).catch(() => [])).map((name) => readFile(join(box, name)))),
    [Symbol.asyncDispose]: async () => {
      daemon.kill('SIGTERM');
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

function listens(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host, port }, () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

const nobody = 65_534;

function users(folder: string): string {
  return ['bob:*:storage=1G', 'full:*:storage=1B']
    .map((user) => user.split(':'))
    .map(
      ([name, , rule]) =>
        `${name}@b.test:{PLAIN}x:${nobody}:${nobody}::${folder}/mail/${name}::userdb_quota_rule=*:${rule}`,
    )
    .join('\n');
}

function dovecotConf(
  folder: string,
  at: { host: string; port: number; path: string; imapPort: number },
): string {
  return `
base_dir = ${folder}/run
state_dir = ${folder}/run
log_path = ${folder}/log
protocols = lmtp imap
ssl = required
ssl_cert = <${folder}/tls.pem
ssl_key = <${folder}/tls.pem
first_valid_uid = 1
mail_location = maildir:~/
mail_plugins = $mail_plugins quota
plugin {
  quota = maildir:quota
}
passdb {
  driver = passwd-file
  args = ${folder}/users
}
userdb {
  driver = passwd-file
  args = ${folder}/users
}
service imap-login {
  inet_listener imap {
    port = 0
  }
  inet_listener imaps {
    address = ${at.host}
    port = ${at.imapPort}
    ssl = yes
  }
}
service lmtp {
  user = root
  unix_listener ${at.path} {
    mode = 0666
  }
  inet_listener lmtp {
    address = ${at.host}
    port = ${at.port}
  }
}
`;
}
