import { formatMailbox, isDomain, parseMailbox } from '../address.ts';
import { view } from '../carriage/shape.ts';
import { MailError } from '../errors.ts';
import type { Mail } from './connection.ts';
import { openSmtp } from './open.ts';
import { checkPeer, peerKey, type SmtpPeer } from './policy.ts';
import { Pool } from './pool.ts';
import { deferred, type Refused, type SendResult } from './result.ts';
import { isWellFormed } from './wellformed.ts';

/** All in ms, all absolute. */
export interface SendTimeouts {
  /** From the look-up of the name to a connection that is ready for a message. */
  readonly connectMs: number;
  /** From MAIL to the answer to the data. */
  readonly sendMs: number;
}

export const defaultSendTimeouts: SendTimeouts = { connectMs: 30_000, sendMs: 300_000 };

export interface SmtpSenderOptions {
  /** The name given in EHLO, to everyone. */
  readonly ehloName: string;
  readonly maxConnectionsPerPeer?: number;
  /** How long an unused connection stays open, in ms. Shorter than the peers' patience spares them the 421. */
  readonly idleMs?: number;
  readonly timeouts?: Partial<SendTimeouts>;
  /**
   * Judges a peer that its policy trusts by what it offers (the lines of its answer to EHLO), before it is told more: once for each
   * connection. What it declines is `deferred`.
   */
  readonly meet?: (peer: SmtpPeer, offers: readonly string[]) => Promise<'go-on' | 'declined'>;
}

export interface OutgoingMessage {
  /** Sender's mailbox; empty for the null sender. */
  readonly from: string;
  readonly to: string;
  /** Sent octet for octet: lines end in CRLF, none is longer than 998 octets, no NUL. */
  readonly message: Uint8Array;
  /**
   * Ask for TLS all the way (RFC 8689). A peer that cannot is sent nothing, and the message is refused; with
   * `if-offered` it is sent the message without.
   */
  readonly requireTls?: boolean | 'if-offered';
  /**
   * What a report of the message will name it by (RFC 3461 section 4.4): 1 to 100 printable ASCII characters. Sent,
   * with the wish that reports return no body, to a peer that takes it.
   */
  readonly envid?: string;
  /** Called when the peer has taken sender and recipient and asks for the data; once more where a second connection is tried. */
  readonly onData?: () => void;
  readonly signal?: AbortSignal;
}

export interface SmtpSender extends AsyncDisposable {
  /**
   * Hands one message to one peer that its policy trusts. Never rejects for what a peer does; with `bad-options` for
   * what cannot be asked for.
   */
  send(peer: SmtpPeer, message: OutgoingMessage): Promise<SendResult>;
  /** Takes no more, gives back what waits for a connection, lets what is on its way end, closes all connections. */
  close(): Promise<void>;
}

/** Sends mail over connections that it keeps open between messages. Keeps no log. Throws `bad-options`. */
export function createSmtpSender(options: SmtpSenderOptions): SmtpSender {
  checkName(options.ehloName);
  const { ehloName, maxConnectionsPerPeer = 4, idleMs = 60_000, meet } = options;
  const { connectMs, sendMs } = { ...defaultSendTimeouts, ...options.timeouts };
  const pools = new Map<string, Pool>();
  let closed = false;

  const poolOf = (peer: SmtpPeer): Pool => {
    for (const [key, pool] of pools) if (pool.unused) pools.delete(key);
    const key = peerKey(peer);
    const pool =
      pools.get(key) ??
      new Pool({
        maxConnections: maxConnectionsPerPeer,
        idleMs,
        sendMs,
        open: async (signal) => {
          const opened = await openSmtp(peer, { ehloName, connectMs, signal });
          if (
            opened.kind !== 'open' ||
            meet === undefined ||
            (await meet(peer, opened.link.offers)) === 'go-on'
          )
            return opened;
          opened.link.connection.close();
          return deferred('declined');
        },
      });
    pools.set(key, pool);
    return pool;
  };
  const send = async (peer: SmtpPeer, message: OutgoingMessage): Promise<SendResult> => {
    checkPeer(peer);
    const mail = checkMail(message);
    if (mail.kind === 'refused') return mail;
    if (closed) return deferred('closed');
    return poolOf(peer).send(mail.mail, message.signal);
  };
  const close = async (): Promise<void> => {
    closed = true;
    await Promise.all([...pools.values()].map((pool) => pool.close()));
  };
  return { send, close, [Symbol.asyncDispose]: close };
}

export function checkName(name: string): void {
  if (!isDomain(name))
    throw new MailError('bad-options', 'the EHLO name is no domain name', {
      hint: 'Set it to a domain name in ASCII: peers see it.',
    });
}

/** What no peer is bothered with, answered as RFC 3463 and RFC 6531 would. Throws `bad-options`. */
export function checkMail(
  outgoing: OutgoingMessage,
): { readonly kind: 'mail'; readonly mail: Mail } | Refused {
  const { from, to, requireTls = false, envid, onData } = outgoing;
  if (envid !== undefined && !/^[\x20-\x7e]{1,100}$/.test(envid))
    throw new MailError('bad-options', 'an ENVID is 1 to 100 printable ASCII characters');
  const sender = from === '' ? undefined : parseMailbox(from);
  const recipient = parseMailbox(to);
  if (recipient === undefined || (from !== '' && sender === undefined)) {
    const code = /[^\0-\x7f]/.test(from + to) ? '5.6.7' : '5.1.3';
    return { kind: 'refused', code: 553, enhanced: code };
  }
  const message = view(outgoing.message);
  if (!isWellFormed(message)) return { kind: 'refused', code: 554, enhanced: '5.6.0' };
  const mail = {
    from: sender === undefined ? '' : formatMailbox(sender),
    to: formatMailbox(recipient),
    message,
    requireTls,
    envid,
    onData,
  };
  return { kind: 'mail', mail };
}
