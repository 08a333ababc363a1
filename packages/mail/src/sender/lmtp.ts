import { type LmtpTarget, openLmtp } from './open.ts';
import { Pool } from './pool.ts';
import type { Deferred, Refused, SendResult } from './result.ts';
import {
  checkMail,
  checkName,
  defaultSendTimeouts,
  type OutgoingMessage,
  type SendTimeouts,
} from './sender.ts';

export interface LmtpSenderOptions {
  readonly target: LmtpTarget;
  /** The name given in LHLO. */
  readonly lhloName: string;
  readonly maxConnections?: number;
  readonly idleMs?: number;
  readonly timeouts?: Partial<SendTimeouts>;
}

/** What became of a message for its one mailbox: `sent` when it lies there. */
export type DeliveryResult = { readonly kind: 'sent' } | Deferred | Refused;

export type Delivery = Omit<OutgoingMessage, 'requireTls' | 'envid'>;

export interface LmtpSender extends AsyncDisposable {
  /** Delivers one message to one mailbox. Never rejects for what the server does. */
  deliver(message: Delivery): Promise<DeliveryResult>;
  close(): Promise<void>;
}

/** Delivers over LMTP (RFC 2033) to the mail system of this machine. Throws `bad-options`. */
export function createLmtpSender(options: LmtpSenderOptions): LmtpSender {
  checkName(options.lhloName);
  const { target, lhloName: ehloName, maxConnections = 4, idleMs = 10_000 } = options;
  const { connectMs, sendMs } = { ...defaultSendTimeouts, ...options.timeouts };
  const pool = new Pool({
    maxConnections,
    idleMs,
    sendMs,
    open: (signal) => openLmtp(target, { ehloName, connectMs, signal }),
  });
  const deliver = async (message: Delivery): Promise<DeliveryResult> => {
    const checked = checkMail(message);
    return checked.kind === 'refused' ? checked : withoutTls(await pool.send(checked.mail, message.signal));
  };
  const close = (): Promise<void> => pool.close();
  return { deliver, close, [Symbol.asyncDispose]: close };
}

/** Nobody asked for TLS or a login here, so their lack cannot be the outcome. */
function withoutTls(result: SendResult): DeliveryResult {
  switch (result.kind) {
    case 'sent':
      return { kind: 'sent' };
    case 'deferred':
    case 'refused':
      return result;
    case 'no-tls':
    case 'untrusted':
    case 'no-login':
      throw new TypeError(`${result.kind} without TLS`);
  }
}
