import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { spkiPin } from '@postern/mail';
import type { Endpoint } from '@postern/runtime';
import { createIdentity, freePort, openFolder, until } from './debian.ts';
import { type Dovecot, haveDovecot, type MailboxOptions, startDovecot } from './dovecot.ts';
import { haveImap, type ImapAccount } from './imap.ts';
import type { Place } from './place.ts';
import { havePostfix, type Postfix, type Relay, type Routing, startPostfix } from './postfix.ts';

export interface MailHostOptions extends Routing {
  readonly domain: string;
  /** One of 127.0.0.0/8 of its own: where others reach it, and where it comes from itself. */
  readonly address: string;
  /** A free one unless given. */
  readonly ports?: { readonly smtp?: number; readonly imap?: number };
  readonly mailboxes: readonly MailboxOptions[];
  /** A resolver's address; it listens on port 53. Without, no name is found. */
  readonly resolver?: string;
  readonly place?: Place;
}

/** The mail server of a domain as an operator of Debian has it: Postfix, and Dovecot with the mailboxes. */
export interface MailHost extends AsyncDisposable {
  readonly domain: string;
  /** `mx.` and the domain. */
  readonly hostname: string;
  /** Where mail for the domain is taken. */
  readonly smtp: Endpoint;
  readonly relay: Relay;
  /** Where the domain's gateway delivers. */
  readonly lmtp: Endpoint;
  /** PEM; for all of them. */
  readonly cert: string;
  /** Hex SHA-256 of its public key. */
  readonly pin: string;
  readonly postfix: Postfix;
  readonly dovecot: Dovecot;
  /** A mailbox as its owner's program reads it. */
  account(name: string): ImapAccount;
  /** What lies in a mailbox, once nothing is in the queue and there are at least so many; then empties it. */
  takeMail(name: string, atLeast: number): Promise<string[]>;
}

export const haveMailHost: boolean = havePostfix && haveDovecot && haveImap;

export async function startMailHost(options: MailHostOptions): Promise<MailHost> {
  const { domain, address, ports = {}, mailboxes } = options;
  const hostname = `mx.${domain}`;
  const smtp = { host: address, port: ports.smtp ?? (await freePort(address)) };
  const imap = { host: address, port: ports.imap ?? (await freePort(address)) };
  const relay = { prefer: await onLoopback(), require: await onLoopback() };
  const lmtp = await onLoopback();
  await using stack = new AsyncDisposableStack();
  const { cert, tls } = await createCertificate(hostname, stack);
  const common = { ...options, hostname, lmtp, tls };
  const dovecot = stack.use(await startDovecot({ ...common, imap }));
  const names = mailboxes.map(({ name }) => name);
  const postfix = stack.use(await startPostfix({ ...common, listen: smtp, relay, mailboxes: names }));
  const started = stack.move();
  return {
    domain,
    hostname,
    smtp,
    relay,
    lmtp,
    cert,
    pin: spkiPin(cert),
    postfix,
    dovecot,
    account: (name) => ({
      server: imap,
      hostname,
      ca: tls.cert,
      user: `${name}@${domain}`,
      password: mailboxes.find((mailbox) => mailbox.name === name)?.password ?? '',
      ...(options.place && { place: options.place }),
    }),
    takeMail: async (name, atLeast) => {
      await until(
        async () => (await dovecot.mail(name)).length >= atLeast && (await postfix.queue()).length === 0,
      );
      return (await dovecot.take(name)).map((bytes) => bytes.toString('latin1'));
    },
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

async function onLoopback(): Promise<Endpoint> {
  return { host: '127.0.0.1', port: await freePort('127.0.0.1') };
}

async function createCertificate(
  hostname: string,
  stack: AsyncDisposableStack,
): Promise<{ cert: string; tls: { cert: string; key: string } }> {
  const folder = await openFolder('certificate');
  stack.defer(() => rm(folder, { recursive: true }));
  const tls = { cert: join(folder, 'cert.pem'), key: join(folder, 'private', 'key.pem') };
  const { key, cert } = createIdentity(hostname);
  await mkdir(join(folder, 'private'), { mode: 0o700 });
  await writeFile(tls.cert, cert);
  await writeFile(tls.key, key, { mode: 0o600 });
  return { cert, tls };
}
