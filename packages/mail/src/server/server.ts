import type { AddressInfo, Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import { SMTPServer as Library, type SMTPServerAddress, type SMTPServerSession } from 'smtp-server';
import type { SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js';
import { formatMailbox, isDomain, parseMailbox } from '../address.ts';
import { MailError } from '../errors.ts';
import { type TlsVersion, tlsOptions } from '../tls.ts';
import { Admission } from './admission.ts';
import type { Gatekeeper } from './auth/gatekeeper.ts';
import { mechanisms } from './auth/sasl.ts';
import { defaultSmtpLimits, type SmtpLimits } from './limits.ts';
import type { Receiver } from './receive.ts';
import { type Reply, recipientRefusal, senderRefusal } from './reply.ts';
import { Session } from './session.ts';

export interface SmtpServerOptions extends Receiver {
  /** Port 0 takes a free one. */
  readonly listen: { readonly host: string; readonly port: number };
  /** What the server calls itself in its banner and its answer to EHLO. */
  readonly hostname: string;
  /** PEM. The certificate's key is what peers pin. */
  readonly tls: { readonly key: string; readonly cert: string };
  /** TLS from the first octet, as on port 465 (RFC 8314 section 3.3), in place of STARTTLS. Default false. */
  readonly implicitTls?: boolean;
  /** Default TLSv1.3. With TLSv1.2 the curves and ciphers are those that everybody has. */
  readonly minTls?: TlsVersion;
  /** Longest message in octets: advertised as SIZE, and enforced. */
  readonly maxBytes: number;
  /** Recipients of one message; who names more is told 452 for the rest. */
  readonly maxRecipients?: number;
  /**
   * Offers REQUIRETLS (RFC 8689), which binds the receiver: a message with `requireTls` goes on over TLS or comes back.
   * Without it MAIL with REQUIRETLS is refused. Default false.
   */
  readonly requireTls?: boolean;
  /**
   * Makes it a server for submission: who sends must log in, and sends from their own mailbox. Servers that share one count
   * failed logins together.
   */
  readonly auth?: Gatekeeper;
  readonly limits?: Partial<SmtpLimits>;
}

export interface SmtpServer extends AsyncDisposable {
  readonly address: { readonly host: string; readonly port: number };
  /** Shows another certificate in handshakes that begin from now on. Throws `bad-certificate`, and then goes on with the one before. */
  updateTls(tls: SmtpServerOptions['tls']): void;
  /**
   * Stops listening, tells idle clients 421, lets messages in hand come to their answer for at most `drainMs`, and
   * resolves when the last connection is gone.
   */
  close(): Promise<void>;
}

/**
 * Receives mail over SMTP, only over TLS, for exactly the mailboxes that `accepts` names. Keeps no log.
 *
 * Throws `bad-options`, `bad-certificate`, `cannot-listen`.
 */
export async function startSmtpServer(options: SmtpServerOptions): Promise<SmtpServer> {
  const limits = { ...defaultSmtpLimits, ...options.limits };
  const listener = createListener(options, limits);
  const address = await listen(listener, options.listen);
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= closeListener(listener, limits.drainMs);
    return closed;
  };
  const updateTls: SmtpServer['updateTls'] = (tls) => {
    const shown = { ...tls, ...tlsOptions(options.minTls ?? 'TLSv1.3') };
    usable(() => createSecureContext(shown)); // the library would have forgotten the one before by then
    listener.updateSecureContext(shown);
  };
  return { address, updateTls, close, [Symbol.asyncDispose]: close };
}

/** smtp-server with `Session` for its connections. */
class Listener extends Library {
  readonly #options: SmtpServerOptions;
  readonly #limits: SmtpLimits;
  readonly admission: Admission<Session>;
  closing = false;

  constructor(options: SmtpServerOptions, limits: SmtpLimits) {
    super({
      name: options.hostname,
      heloResponse: '%s', // the default names the client's address
      key: options.tls.key,
      cert: options.tls.cert,
      ...tlsOptions(options.minTls ?? 'TLSv1.3'),
      // The upgrade is the session's, so that its deadlines and limits hold in the handshake.
      ...(options.implicitTls === true ? { secure: true, needsUpgrade: true } : {}),
      size: options.maxBytes,
      maxRecipients: options.maxRecipients ?? defaultMaxRecipients,
      socketTimeout: limits.drainMs, // of use only once the server has hung up, for the client to do so too
      disabledCommands: ['VRFY', 'HELP', 'WIZ', 'SHELL', 'KILL', 'XCLIENT', 'XFORWARD'],
      authMethods: [...mechanisms],
      authRequiredMessage: '5.7.0 AUTH first',
      maxAllowedUnauthenticatedCommands: maxStrangerCommands,
      hideENHANCEDSTATUSCODES: false,
      hideREQUIRETLS: options.requireTls !== true,
      hideSMTPUTF8: true,
      disableReverseLookup: true,
      logger: false,
    });
    this.#options = options;
    this.#limits = limits;
    this.admission = new Admission(limits);
    // Above maxConnections somebody is told 421; above this not even that.
    this.server.maxConnections = 2 * limits.maxConnections;
    this.on('error', () => {}); // a client's connection that broke
  }

  override connect(socket: Socket, from: SMTPConnectionOptions = {}): void {
    if (this.closing) {
      socket.destroy();
      return;
    }
    const session = new Session(this, socket, from, {
      receiver: this.#options,
      maxBytes: this.#options.maxBytes,
      limits: this.#limits,
      admission: this.admission,
      gatekeeper: this.#options.auth,
    });
    this.connections.add(session);
    session.on('error', () => {});
    session.init();
  }

  override onMailFrom(sender: SMTPServerAddress, session: SMTPServerSession, done: Done): void {
    const requireTls = this.#options.requireTls === true;
    const author = typeof session.user === 'string' ? session.user : undefined;
    const handedOn = this.#handsOn(session);
    const reply = senderRefusal(sender, { requireTls, author, handedOn });
    writePlainly(sender);
    done(refusal(reply));
  }

  override onRcptTo(recipient: SMTPServerAddress, session: SMTPServerSession, done: Done): void {
    const handedOn = this.#handsOn(session);
    const reply = recipientRefusal(recipient, (mailbox) => this.#options.accepts(mailbox, handedOn));
    writePlainly(recipient);
    done(refusal(reply));
  }

  #handsOn({ remoteAddress }: SMTPServerSession): boolean {
    return this.#options.handsOn?.(remoteAddress) ?? false;
  }
}

/** The domain of a mailbox in lower case. */
function writePlainly(sent: SMTPServerAddress): void {
  const mailbox = parseMailbox(sent.address);
  if (mailbox !== undefined) sent.address = formatMailbox(mailbox);
}

type Done = (error?: Error | null) => void;

function refusal(reply: Reply | undefined): Error | null {
  if (reply === undefined) return null;
  const [responseCode, enhanced, text] = reply;
  return Object.assign(new Error(`${enhanced} ${text}`), { responseCode });
}

function createListener(options: SmtpServerOptions, limits: SmtpLimits): Listener {
  if (!isDomain(options.hostname))
    throw new MailError('bad-options', 'the server’s name is no domain name', {
      hint: 'Set the EHLO name to a domain name in ASCII.',
    });
  return usable(() => new Listener(options, limits));
}

function usable<T>(make: () => T): T {
  try {
    return make();
  } catch (cause) {
    throw new MailError('bad-certificate', 'the TLS key or certificate cannot be used', {
      cause,
      hint: 'Both must be PEM, and the certificate must be for this key.',
    });
  }
}

function listen(
  listener: Listener,
  { host, port }: SmtpServerOptions['listen'],
): Promise<SmtpServer['address']> {
  return new Promise((resolve, reject) => {
    const { server } = listener;
    const failed = (cause: Error): void =>
      reject(
        new MailError('cannot-listen', `cannot listen on ${host}:${port}`, {
          cause,
          hint: 'Is another program listening there, or does the port need privileges?',
        }),
      );
    server.once('error', failed);
    listener.listen(port, host, () => {
      server.off('error', failed);
      const { address, port: taken } = server.address() as AddressInfo;
      resolve({ host: address, port: taken });
    });
  });
}

function closeListener(listener: Listener, drainMs: number): Promise<void> {
  listener.closing = true;
  return new Promise((resolve) => {
    const deadline = setTimeout(() => {
      for (const session of listener.admission.sessions()) session.destroy();
    }, drainMs);
    listener.server.close(() => {
      clearTimeout(deadline);
      resolve();
    });
    for (const session of listener.admission.sessions()) session.retire();
  });
}

const defaultMaxRecipients = 100;
/** Commands other than AUTH of one who has not logged in, where that is asked for. */
const maxStrangerCommands = 100;
