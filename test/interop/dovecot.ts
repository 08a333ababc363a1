import { once } from 'node:events';
import { chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Endpoint } from '@postern/runtime';
import { haveAsRoot, openFolder, until } from './debian.ts';
import { here, type Place } from './place.ts';
import { fillIn } from './templates.ts';

export interface MailboxOptions {
  readonly name: string;
  readonly password: string;
  /** As Dovecot writes it: `1B` is full with the first message. */
  readonly quota?: string;
}

export interface DovecotOptions {
  readonly domain: string;
  readonly hostname: string;
  readonly lmtp: Endpoint;
  readonly imap: Endpoint;
  readonly mailboxes: readonly MailboxOptions[];
  /** Paths. */
  readonly tls: { readonly cert: string; readonly key: string };
  readonly place?: Place;
}

/** Debian's Dovecot with the configuration of `infra/dovecot`. */
export interface Dovecot extends AsyncDisposable {
  /** Everything that it stores: mail, users, `log`. */
  readonly folder: string;
  /** LMTP on a socket of the file system. */
  readonly path: string;
  log(): Promise<string>;
  /** What lies in a mailbox, as it lies there. */
  mail(name: string): Promise<Buffer[]>;
  /** The same, and empties it. */
  take(name: string): Promise<Buffer[]>;
}

export const haveDovecot: boolean = await haveAsRoot(
  '/usr/sbin/dovecot',
  '/usr/lib/dovecot/lmtp',
  '/usr/lib/dovecot/imap',
);

export async function startDovecot(options: DovecotOptions): Promise<Dovecot> {
  const { domain, place = here } = options;
  const folder = await openFolder('dovecot');
  await mkdir(join(folder, 'mail'));
  await chown(join(folder, 'mail'), nobody, nobody);
  await writeFile(join(folder, 'users'), options.mailboxes.map((each) => userLine(domain, each)).join(''));
  const config = join(folder, 'dovecot.conf');
  await writeFile(config, await dovecotConf(folder, options));
  const log = (): Promise<string> => readFile(join(folder, 'log'), 'utf8').catch(() => '');
  const maildir = (name: string): string => join(folder, 'mail', domain, name, 'Maildir');
  const daemon = place.start('/usr/sbin/dovecot', ['-F', '-c', config], {
    stdio: ['ignore', 'ignore', 'inherit'], // what is wrong with its configuration
  });
  const exited = once(daemon, 'exit');
  await until(async () => {
    if (daemon.exitCode !== null) throw new Error('Dovecot does not start');
    return (await log()).includes(' starting up ');
  });
  return {
    folder,
    path: join(folder, 'run', 'lmtp'),
    log,
    mail: async (name) => Promise.all((await messagesIn(maildir(name))).map((path) => readFile(path))),
    take: async (name) =>
      Promise.all(
        (await messagesIn(maildir(name))).map(async (path) => {
          const bytes = await readFile(path);
          await rm(path);
          return bytes;
        }),
      ),
    [Symbol.asyncDispose]: async () => {
      await place.run('/usr/bin/doveadm', ['-c', config, 'stop']);
      await exited;
      await rm(folder, { recursive: true });
    },
  };
}

const nobody = 65_534;

function userLine(domain: string, { name, password, quota }: MailboxOptions): string {
  const rule = quota === undefined ? '' : `userdb_quota_rule=*:storage=${quota}`;
  return `${name}@${domain}:{PLAIN}${password}::::::${rule}\n`;
}

/** Behind the operator's configuration what a test's Dovecot needs besides: a place and ports of its own among several. */
async function dovecotConf(folder: string, options: DovecotOptions): Promise<string> {
  const { domain, hostname, lmtp, imap, tls } = options;
  const filled = await fillIn('dovecot/dovecot.conf', {
    DOMAIN: domain,
    HOSTNAME: hostname,
    CERTIFICATE: tls.cert,
    KEY: tls.key,
    USERS: join(folder, 'users'),
    MAIL: join(folder, 'mail'),
    LMTP_HOST: lmtp.host,
    LMTP_PORT: String(lmtp.port),
  });
  return `${filled}
base_dir = ${folder}/run
state_dir = ${folder}/run
log_path = ${folder}/log
listen = ${imap.host}
mail_uid = nobody
mail_gid = nogroup
service imap-login {
  inet_listener imaps {
    port = ${imap.port}
  }
}
`;
}

/** Paths. */
async function messagesIn(maildir: string): Promise<string[]> {
  const found: string[] = [];
  for (const part of ['cur', 'new']) {
    const names = await readdir(join(maildir, part)).catch(() => []);
    found.push(...names.sort().map((name) => join(maildir, part, name)));
  }
  return found;
}
