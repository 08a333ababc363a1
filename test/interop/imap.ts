import type { Endpoint } from '@postern/runtime';
import { haveAsRoot } from './debian.ts';
import { here, type Place } from './place.ts';

/** What a mail program is told to read a mailbox. */
export interface ImapAccount {
  readonly server: Endpoint;
  /** In the certificate. */
  readonly hostname: string;
  /** Path of the certificate that the server's must be signed by, or be. */
  readonly ca: string;
  readonly user: string;
  readonly password: string;
  readonly place?: Place;
}

export const haveImap: boolean = await haveAsRoot('/usr/bin/curl');

/** All messages of the inbox, oldest first, over IMAP with TLS. */
export async function fetchInbox(account: ImapAccount): Promise<Buffer[]> {
  const found = await ask(account, 'INBOX', ['--request', 'UID SEARCH ALL']);
  const uids = /^\* SEARCH([ \d]*)/m.exec(found.toString('latin1'))?.[1]?.match(/\d+/g) ?? [];
  const messages: Buffer[] = [];
  for (const uid of uids) messages.push(await ask(account, `INBOX;UID=${uid}`));
  return messages;
}

/** Curl logs in, selects, gives one command and prints what comes back: of a UID, the message as it is. */
function ask(account: ImapAccount, path: string, args: readonly string[] = []): Promise<Buffer> {
  const { server, hostname, ca, user, password, place = here } = account;
  const { port } = server;
  const command = ['--silent', '--show-error', '--config', '-', '--cacert', ca];
  command.push('--resolve', `${hostname}:${port}:${server.host}`);
  command.push(...args, `imaps://${hostname}:${port}/${path}`);
  return place.run('/usr/bin/curl', command, { input: `user = "${user}:${password}"\n` });
}
