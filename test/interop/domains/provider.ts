import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { SubmissionConfig } from '@postern/client';
import type { Endpoint } from '@postern/runtime';
import { freePort } from '../debian.ts';
import { type MailHost, startMailHost } from '../mailhost.ts';
import { here } from '../place.ts';

/** A mail provider that knows nothing of Postern: its customers log in and send from their own mailbox alone. */
export interface Provider extends AsyncDisposable {
  readonly host: MailHost;
  readonly submission: SubmissionConfig;
  /** Where its mail server finds the mail servers of other domains. */
  route(routes: Readonly<Record<string, Endpoint>>): Promise<void>;
}

export interface ProviderOptions {
  readonly domain: string;
  readonly address: string;
  readonly customer: { readonly name: string; readonly password: string };
  /** That its mail server asks, on port 53; without, it finds no other domain but by a route. */
  readonly resolver?: string;
}

/** Debian's Postfix and Dovecot with submission: who may log in says Dovecot, which mailbox is whose says a table. */
export async function startProvider(options: ProviderOptions): Promise<Provider> {
  await using stack = new AsyncDisposableStack();
  const { domain, address, customer } = options;
  const host = stack.use(await startMailHost({ ...options, mailboxes: [customer] }));
  const { postfix, dovecot } = host;
  const sasl = await freePort('127.0.0.1');
  const port = await freePort(address);
  const etc = join(postfix.folder, 'etc');
  const conf = join(dovecot.folder, 'dovecot.conf');
  await appendFile(conf, saslConf(sasl));
  await here.run('/usr/bin/doveadm', ['-c', conf, 'reload']);
  const mailbox = `${customer.name}@${domain}`;
  await writeFile(join(etc, 'sender_logins'), `${mailbox} ${mailbox}\n`);
  await writeFile(join(etc, 'submission_headers'), headerChecks(mailbox));
  await appendFile(join(etc, 'main.cf'), `always_add_missing_headers = yes\n`);
  await appendFile(join(etc, 'master.cf'), masterCf(`${address}:${port}`, sasl));
  await postfix.route({});
  const started = stack.move();
  return {
    host,
    submission: {
      kind: 'account',
      host: address,
      port,
      implicitTls: false,
      tls: { kind: 'pin', pins: [host.pin] },
      user: mailbox,
      password: { kind: 'ask' },
    },
    route: (routes) => postfix.route({ routes }),
    [Symbol.asyncDispose]: () => started.disposeAsync(),
  };
}

function saslConf(port: number): string {
  return `
service auth {
  inet_listener {
    address = 127.0.0.1
    port = ${port}
  }
}
`;
}

/** From is the customer's mailbox or nothing is taken; Date and Message-ID are the provider's own, and it says what it has carried. */
function headerChecks(mailbox: string): string {
  return `/^From: <${mailbox.replaceAll('.', '\\.')}>$/ PREPEND X-Provider-Customer: ${mailbox}
/^From:/ REJECT that is not your mailbox
/^(Message-ID|Date):/ IGNORE
`;
}

function masterCf(listen: string, sasl: number): string {
  return `${listen} inet n - n - - smtpd
  -o syslog_name=postfix/submission
  -o smtpd_tls_security_level=encrypt
  -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot
  -o smtpd_sasl_path=inet:127.0.0.1:${sasl}
  -o smtpd_sender_login_maps=texthash:$config_directory/sender_logins
  -o smtpd_sender_restrictions=reject_sender_login_mismatch
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
  -o cleanup_service_name=customers
customers unix n - n - 0 cleanup
  -o header_checks=regexp:$config_directory/submission_headers
`;
}
