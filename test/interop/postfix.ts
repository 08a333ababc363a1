import { execFile, execFileSync } from 'node:child_process';
import { chown, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createIdentity, freePort, haveAsRoot, openFolder, until } from './debian.ts';

/** Debian's Postfix as it comes, but for where it lives, what it is called and one virtual domain, b.test. */
export interface Postfix extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly cert: string;
  /** What lies in the one mailbox, once nothing is in the queue and there are at least so many; then empties it. */
  takeMail(atLeast: number): Promise<string[]>;
}

export interface PostfixOptions {
  /** Port on loopback of who takes all mail for a.test and c.test: what is refused there comes back to its author. */
  readonly elsewhere?: number;
}

export const havePostfix: boolean = await haveAsRoot('/usr/sbin/postfix', '/usr/bin/openssl');

export async function startPostfix(options: PostfixOptions = {}): Promise<Postfix> {
  const folder = await openFolder('postfix');
  const host = '127.0.0.11';
  const port = await freePort(host);
  const { key, cert } = createIdentity('mx.b.test');
  const etc = join(folder, 'etc');
  for (const name of ['etc', 'spool', 'data', 'mail']) await mkdir(join(folder, name));
  await chown(join(folder, 'data'), Number(execFileSync('id', ['-u', 'postfix'], { encoding: 'utf8' })), 0);
  await chown(join(folder, 'mail'), nobody, nobody);
  await writeFile(join(etc, 'tls.pem'), key + cert, { mode: 0o600 });
  await writeFile(join(etc, 'main.cf'), mainCf(folder) + relayCf(options));
  await writeFile(join(etc, 'master.cf'), masterCf(`${host}:${port}`));
  await run('/usr/sbin/postfix', ['-c', etc, 'start']);
  const box = join(folder, 'mail', 'box', 'new');
  const names = (): Promise<string[]> => readdir(box).catch(() => []);
  const queueIsEmpty = async (): Promise<boolean> =>
    (await run('/usr/sbin/postqueue', ['-c', etc, '-p'])).stdout.startsWith('Mail queue is empty');
  return {
    host,
    port,
    cert,
    takeMail: async (atLeast) => {
      await until(async () => (await names()).length >= atLeast && (await queueIsEmpty()));
      return Promise.all(
        (await names()).map(async (name) => {
          const text = await readFile(join(box, name), 'latin1');
          await rm(join(box, name));
          return text;
        }),
      );
    },
    [Symbol.asyncDispose]: async () => {
      await run('/usr/sbin/postfix', ['-c', etc, 'stop']);
      await rm(folder, { recursive: true });
    },
  };
}

/** Whether this Postfix ends data at a bare LF unless told otherwise, as Debian 12's does. */
export function takesBareNewline(): boolean {
  const shown = execFileSync('/usr/sbin/postconf', ['-d', '-h', 'smtpd_forbid_bare_newline'], {
    encoding: 'utf8',
  });
  return shown.trim() === 'no';
}

const run = promisify(execFile);
const nobody = 65_534;

function mainCf(folder: string): string {
  return `
compatibility_level = 3.6
queue_directory = ${folder}/spool
data_directory = ${folder}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.b.test
mydestination =
inet_protocols = ipv4
maillog_file = ${folder}/log
maillog_file_prefixes = ${folder}
virtual_mailbox_domains = b.test
virtual_mailbox_base = ${folder}/mail
virtual_mailbox_maps = static:box/
virtual_uid_maps = static:${nobody}
virtual_gid_maps = static:${nobody}
smtpd_tls_security_level = may
smtpd_tls_chain_files = ${folder}/etc/tls.pem
`;
}

function relayCf({ elsewhere }: PostfixOptions): string {
  if (elsewhere === undefined) return '';
  const next = `smtp:[127.0.0.1]:${elsewhere}`;
  return `
relay_domains = a.test, c.test
transport_maps = inline:{ a.test=${next}, c.test=${next} }
smtp_tls_security_level = encrypt
`;
}

function masterCf(listen: string): string {
  return `
${listen} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
smtp unix - - n - - smtp
relay unix - - n - - smtp
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
postlog unix-dgram n - n - 1 postlogd
`;
}
