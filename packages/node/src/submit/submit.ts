import { createGatekeeper, defaultSmtpLimits, parseMailbox, type SmtpServer } from '@postern/mail';
import type { Endpoint } from '@postern/runtime';
import { takeMail } from '../listening.ts';
import { codeOf } from '../loop.ts';
import type { Authors } from './authors/authors.ts';
import { type TakeContext, taker } from './take.ts';

export interface SubmitContext extends TakeContext {
  /** Who may send. Closed with the listeners. */
  readonly authors: Authors;
  /** TLS by STARTTLS, as on port 587. */
  readonly listen: Endpoint | undefined;
  /** TLS from the first octet, as on port 465. */
  readonly listenTls: Endpoint | undefined;
  readonly ehlo: string;
  /** PEM. */
  readonly tls: { readonly key: string; readonly cert: string };
}

/** Where authors submit. */
export interface SubmissionAddress extends Endpoint {
  readonly tls: 'starttls' | 'implicit';
}

export interface Submissions {
  readonly addresses: readonly SubmissionAddress[];
  /** Shows another certificate from now on. */
  updateTls(tls: SubmitContext['tls']): void;
  /** Stops taking, and answers what is in hand. */
  close(): Promise<void>;
}

/** Room for a carriage's base64 and header, and for a trace on top. */
const carriageFactor = 1.5;
const traceBytes = 65_536;

/**
 * Takes carriages from the domain's authors (spec submission 1 to 3). 250 means that the unit and its author's return token
 * are durable: from then on it leaves, or its author hears of it. Throws `MailError`, `UserError` for an address that cannot be had.
 */
export async function submit(context: SubmitContext): Promise<Submissions> {
  const { listen, listenTls, authors } = context;
  const start = listenersOf(context);
  const servers: SmtpServer[] = [];
  const addresses: SubmissionAddress[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
    await authors.close();
  };
  const open = async (at: Endpoint | undefined, tls: SubmissionAddress['tls']): Promise<void> => {
    if (at === undefined) return;
    const server = await start(at, tls === 'implicit');
    servers.push(server);
    addresses.push({ ...server.address, tls });
  };
  try {
    await open(listen, 'starttls');
    await open(listenTls, 'implicit');
  } catch (error) {
    await close();
    throw error;
  }
  const updateTls = (tls: SubmitContext['tls']): void => {
    for (const server of servers) server.updateTls(tls);
  };
  return { addresses, updateTls, close };
}

/** Starts listeners that have everything but address and way of TLS in common. */
function listenersOf(
  context: SubmitContext,
): (listen: Endpoint, implicitTls: boolean) => Promise<SmtpServer> {
  const { log, counters, packetBytes, authors, ehlo, tls } = context;
  const take = taker(context);
  const onFault = (fault: unknown): void => log.error('a submission met a fault', { code: codeOf(fault) });
  const auth = createGatekeeper(
    {
      authenticate: (login) => authors.judge(login),
      onAuth: (outcome) => counters.count('logins', outcome),
    },
    onFault,
  );
  return (listen, implicitTls) =>
    takeMail(
      {
        listen,
        implicitTls,
        hostname: ehlo,
        tls,
        minTls: 'TLSv1.2',
        maxBytes: Math.ceil(packetBytes * carriageFactor) + traceBytes,
        maxRecipients: 1,
        limits: defaultSmtpLimits,
        auth,
        accepts: (mailbox) => parseMailbox(mailbox)?.local === 'secure',
        onMessage: take,
        onFault,
      },
      `\`${implicitTls ? 'listen_tls' : 'listen'}\` in [submission]`,
    );
}
