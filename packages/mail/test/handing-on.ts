import {
  createSmtpSender,
  type OutgoingMessage,
  type SendResult,
  type SmtpPeer,
  type SmtpSender,
  type SmtpSenderOptions,
  spkiPin,
} from '@postern/mail';
import { identity } from './inbox.ts';

/* What tests hand on, to whom, and what comes of it when all is well. */

export const sent: SendResult = { kind: 'sent', secured: true };

export function createSender(options: Partial<SmtpSenderOptions> = {}): SmtpSender {
  return createSmtpSender({ ehloName: 'sender.test', ...options });
}

export function mail(more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return { from: 'secure@a.test', to: 'secure@mx.test', message: Buffer.from('hello\r\n'), ...more };
}

/** The server on this machine that shows `identity`. */
export function pinned(port: number): Extract<SmtpPeer, { tlsPin: string }> {
  return { host: '127.0.0.1', port, tlsPin: spkiPin(identity.cert) };
}
