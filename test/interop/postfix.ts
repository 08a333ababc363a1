import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Endpoint } from '@postern/runtime';
import { haveAsRoot, openFolder } from './debian.ts';
import { here, type Place } from './place.ts';
import { fillIn } from './templates.ts';

/** The gateway beside a Postfix, and hex SHA-256 of its certificate's public key; of two while it changes. */
export interface Gateway extends Endpoint {
  readonly pin: string;
  readonly otherPin?: string;
}

/** Where Postfix hands things on to, as far as no DNS says so. */
export interface Routing {
  /** Takes `secure@domain`; without one that is a mailbox like others. */
  readonly gateway?: Gateway;
  /** Other domains with the server that takes their mail. */
  readonly routes?: Readonly<Record<string, Endpoint>>;
}

/** Where the gateway hands over what goes to other domains, by how it may go on: to whom DNS names; routes do not count here. */
export interface Relay {
  /** Over TLS if the other domain's server has it. */
  readonly prefer: Endpoint;
  /** Over TLS whose key the other domain publishes in DNS. */
  readonly require: Endpoint;
}

export interface PostfixOptions extends Routing {
  readonly domain: string;
  readonly hostname: string;
  /** Where mail for the domain is taken. */
  readonly listen: Endpoint;
  readonly relay: Relay;
  readonly lmtp: Endpoint;
  /** Besides `secure`; local parts. */
  readonly mailboxes: readonly string[];
  /** Paths. */
  readonly tls: { readonly cert: string; readonly key: string };
  /** A resolver's address; it listens on port 53. Without, no name is found. */
  readonly resolver?: string;
  readonly place?: Place;
}

/** One message that waits, as `postqueue -j` shows it. */
export interface Queued {
  readonly queue_name: string;
  readonly queue_id: string;
  readonly sender: string;
  readonly recipients: readonly { readonly address: string; readonly delay_reason?: string }[];
}

/** Debian's Postfix with the configuration of `infra/postfix`. */
export interface Postfix extends AsyncDisposable {
  /** Everything that it stores: `etc`, `spool` with the queue, `data`, `log`. */
  readonly folder: string;
  log(): Promise<string>;
  queue(): Promise<Queued[]>;
  /** Tries what was deferred now. */
  flush(): Promise<void>;
  /** Loses a message that waits: nobody is told. */
  lose(queueId: string): Promise<void>;
  /** Takes the place of all that was said before about where to hand things on. */
  route(routing: Routing): Promise<void>;
  /** Takes other values for what `main.cf` sets, from now on. */
  set(values: Readonly<Record<string, string>>): Promise<void>;
}

export const havePostfix: boolean = await haveAsRoot('/usr/sbin/postfix', '/usr/bin/openssl');

export async function startPostfix(options: PostfixOptions): Promise<Postfix> {
  const { place = here } = options;
  const folder = await openFolder('postfix');
  const etc = join(folder, 'etc');
  for (const name of ['etc', 'spool', 'spool/etc', 'data']) await mkdir(join(folder, name));
  await chown(join(folder, 'data'), Number(execFileSync('id', ['-u', 'postfix'], { encoding: 'utf8' })), 0);
  await writeFile(join(folder, 'spool/etc/resolv.conf'), resolvConf(options.resolver));
  await writeFile(join(etc, 'main.cf'), await mainCf(folder, options));
  await writeFile(join(etc, 'master.cf'), await masterCf(options));
  await writeFile(join(etc, 'relay_senders'), await fillIn('postfix/relay_senders', names(options)));
  await writeFile(join(etc, 'command_filter'), await fillIn('postfix/command_filter', names(options)));
  await writeFile(join(etc, 'mailboxes'), await mailboxes(options));
  await writeRouting(etc, options);
  const guard = startGuard(etc);
  await place.run('/usr/sbin/postfix', ['-c', etc, 'start']);
  return {
    folder,
    log: () => readFile(join(folder, 'log'), 'utf8'),
    queue: async () => {
      const lines = await place.run('/usr/sbin/postqueue', ['-c', etc, '-j']);
      return lines
        .toString()
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line) as Queued);
    },
    flush: async () => {
      await place.run('/usr/sbin/postqueue', ['-c', etc, '-f']);
    },
    lose: async (queueId) => {
      await place.run('/usr/sbin/postsuper', ['-c', etc, '-d', queueId]);
    },
    route: async (routing) => {
      await writeRouting(etc, { domain: options.domain, ...routing });
      await place.run('/usr/sbin/postfix', ['-c', etc, 'reload']);
    },
    set: async (values) => {
      const lines = Object.entries(values).map(([name, value]) => `${name} = ${value}`);
      await place.run('/usr/sbin/postconf', ['-c', etc, '-e', ...lines]);
      await place.run('/usr/sbin/postfix', ['-c', etc, 'reload']);
    },
    [Symbol.asyncDispose]: async () => {
      await place.run('/usr/sbin/postfix', ['-c', etc, 'stop']);
      await guard.dismiss();
      await rm(folder, { recursive: true });
    },
  };
}

/**
 * Ends a Postfix when we end without having stopped it, however that comes about. Its master is a daemon, which no signal of ours reaches: a
 * shell in a session of its own waits at the other end of a pipe.
 */
function startGuard(etc: string): { dismiss(): Promise<void> } {
  const guard = spawn('/bin/sh', ['-c', 'read -r _ || exec /usr/sbin/postfix -c "$0" abort', etc], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  const exited = once(guard, 'exit');
  return {
    dismiss: async () => {
      guard.stdin.end('\n');
      await exited;
    },
  };
}

/** Sequences that end data for a Postfix which takes a bare LF for the end of a line. */
const splitting = new Set(['\n.\n', '\n.\r\n', '\r\n.\n', '\r\n.\r\r\n', '\r\r\n.\r\r\n']);

/** Whether this Postfix takes the sequence for the end of data unless told otherwise, as Debian 12's does with some of them. */
export function endsDataAt(sequence: string): boolean {
  const shown = execFileSync('/usr/sbin/postconf', ['-d', '-h', 'smtpd_forbid_bare_newline'], {
    encoding: 'utf8',
  });
  return shown.trim() === 'no' && splitting.has(sequence);
}

function names({ domain, hostname, relay, lmtp, tls }: PostfixOptions): Record<string, string> {
  return {
    DOMAIN: domain,
    HOSTNAME: hostname,
    RELAY_PREFER: text(relay.prefer),
    RELAY_REQUIRE: text(relay.require),
    LMTP_HOST: lmtp.host,
    LMTP_PORT: String(lmtp.port),
    CERTIFICATE: tls.cert,
    KEY: tls.key,
  };
}

/** What a test's Postfix needs besides: a place of its own among several, and addresses that stand for different machines. */
async function mainCf(folder: string, options: PostfixOptions): Promise<string> {
  const own = {
    queue_directory: join(folder, 'spool'),
    data_directory: join(folder, 'data'),
    maillog_file: join(folder, 'log'),
    maillog_file_prefixes: folder,
    mynetworks: '127.0.0.1/32',
    smtp_bind_address: options.listen.host,
    inet_protocols: 'ipv4',
  };
  const filled = await fillIn('postfix/main.cf', names(options));
  const kept = filled.split('\n').filter((line) => !Object.keys(own).includes(line.split(' ')[0] ?? ''));
  return [...kept, ...Object.entries(own).map(([name, value]) => `${name} = ${value}`), ''].join('\n');
}

/** Debian's, with another address to listen on, and ours behind it. */
async function masterCf(options: PostfixOptions): Promise<string> {
  const debian = await readFile('/usr/share/postfix/master.cf.dist', 'utf8');
  const moved = debian.replace(/^smtp(?=\s+inet\s)/m, text(options.listen));
  return moved + (await fillIn('postfix/master.cf', names(options)));
}

async function mailboxes(options: PostfixOptions): Promise<string> {
  const others = options.mailboxes.filter((name) => name !== 'secure'); // Postfix reads no file with a duplicate
  const lines = others.map((name) => `${name}@${options.domain} dovecot\n`);
  return (await fillIn('postfix/mailboxes', names(options))) + lines.join('');
}

async function writeRouting(
  etc: string,
  { domain, gateway, routes = {} }: Routing & { readonly domain: string },
): Promise<void> {
  const values = gateway && {
    DOMAIN: domain,
    GATEWAY: `[${gateway.host}]:${gateway.port}`,
    FINGERPRINT: [gateway.pin, gateway.otherPin ?? gateway.pin].map(fingerprint).join('|'),
  };
  const ours = (name: string): Promise<string> | string => (values ? fillIn(`postfix/${name}`, values) : '');
  const lines = Object.entries(routes).map(([to, { host, port }]) => `${to} smtp:[${host}]:${port}\n`);
  await writeFile(join(etc, 'transport'), (await ours('transport')) + lines.join(''));
  await writeFile(join(etc, 'tls_policy'), await ours('tls_policy'));
}

/** As `openssl dgst -sha256 -c` prints it. */
function fingerprint(pin: string): string {
  return pin.match(/../g)?.join(':') ?? '';
}

/** Postfix reads it inside its chroot, the queue's folder, so that each has its own. */
function resolvConf(resolver = '127.0.0.1'): string {
  return `nameserver ${resolver}\n`;
}

function text({ host, port }: Endpoint): string {
  return `${host}:${port}`;
}
