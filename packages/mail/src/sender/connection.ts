import { isAscii } from 'node:buffer';
import { Readable } from 'node:stream';
import type SMTPConnection from 'nodemailer/lib/smtp-connection/index.js';
import {
  type Deferred,
  deferred,
  type LibraryError,
  type Refused,
  type Sent,
  sendFailure,
} from './result.ts';

/** One message for one mailbox. */
export interface Mail {
  /** Sender's mailbox, or nothing for the null sender. */
  readonly from: string;
  readonly to: string;
  readonly message: Buffer;
  readonly requireTls: boolean | 'if-offered';
  readonly envid: string | undefined;
  readonly onData: (() => void) | undefined;
}

/** An open connection, past its greeting and its last EHLO or LHLO. */
export interface Link {
  readonly connection: SMTPConnection;
  /** The peer takes octets above 127 (RFC 6152). */
  readonly eightBit: boolean;
  /** The peer takes REQUIRETLS (RFC 8689), which it offers over TLS alone. */
  readonly requireTls: boolean;
  /** Mechanisms of AUTH that the peer takes. */
  readonly mechanisms: readonly string[];
  /** Over TLS. */
  readonly secured: boolean;
  /** What the peer offers: the lines of its answer to the last EHLO, without their code. */
  readonly offers: readonly string[];
}

/** What one attempt over an open connection came to. */
export interface Attempt {
  readonly result: Sent | Deferred | Refused;
  /**
   * The connection is `ready` for the next message, or will be after RSET (`refused`); it broke before the end of the
   * data, so that the peer has not taken the message (`stale`: as one does that the peer closed while it was idle); or
   * it is of no more use (`broken`).
   */
  readonly connection: 'ready' | 'refused' | 'stale' | 'broken';
}

/** The link of a connection that nodemailer has just called open. */
export function linkOf(connection: SMTPConnection): Link {
  const capabilities = connection.lastServerResponse || '';
  const secured = connection.secure;
  return {
    connection,
    eightBit: /^250[ -]8BITMIME\b/im.test(capabilities),
    requireTls: secured && /^250[ -]REQUIRETLS\b/im.test(capabilities),
    mechanisms: (/^250[ -]AUTH ([^\r\n]*)/im.exec(capabilities)?.[1] ?? '').toUpperCase().split(' '),
    secured,
    offers: capabilities.split(/\r?\n/).map((line) => line.replace(/^250[ -]/, '').trim()),
  };
}

/**
 * Hands one message over. Settles within `ms`. When it gives up by itself, the connection is cut in the middle of the
 * data, so that the peer drops what it has of it.
 */
export function handOver(
  { connection, eightBit, requireTls, secured }: Link,
  mail: Mail,
  { ms, signal }: { ms: number; signal?: AbortSignal | undefined },
): Promise<Attempt> {
  if (!isAscii(mail.message) && !eightBit) {
    return Promise.resolve({
      result: { kind: 'refused', code: 554, enhanced: '5.6.3' },
      connection: 'ready',
    });
  }
  const { promise, resolve } = Promise.withResolvers<Attempt>();
  const data = new Readable({
    read() {
      this.push(mail.message);
      this.push(null);
    },
  });
  let ended = false; // from here on the final dot may be on its way
  data.once('end', () => {
    ended = true;
  });
  // nodemailer lets the data flow once DATA is answered.
  data.once('resume', () => mail.onData?.());
  const giveUp = (reason: 'aborted' | 'timeout'): void => {
    resolve({ result: deferred(reason, ended), connection: 'broken' });
    connection.close();
  };
  const abort = (): void => giveUp('aborted');
  if (signal?.aborted) abort();
  const timer = setTimeout(() => giveUp('timeout'), ms);
  signal?.addEventListener('abort', abort, { once: true });
  const envelope = {
    from: mail.from,
    to: [mail.to],
    size: mail.message.length,
    use8BitMime: !isAscii(mail.message),
    requireTLSExtensionEnabled: mail.requireTls === 'if-offered' ? requireTls : mail.requireTls,
    // RFC 3461; nodemailer leaves it out for a peer without DSN.
    ...(mail.envid === undefined ? {} : { dsn: { ret: 'HDRS', envid: mail.envid } }),
  };
  connection.send(envelope, data, (error, info) => {
    // LMTP answers for each recipient behind the data, and its refusal of all of them is no error to nodemailer.
    const failure = error ?? (info?.accepted.length === 0 ? info.rejectedErrors?.[0] : undefined);
    if (failure) resolve(failed(failure as LibraryError, ended));
    else if (info?.accepted.length === 1) resolve({ result: { kind: 'sent', secured }, connection: 'ready' });
    else resolve({ result: deferred('protocol', ended), connection: 'broken' });
  });
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  });
}

/** Ends a transaction that was refused half-way, for the next message. Whether that worked. */
export function reset({ connection }: Link, ms: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const lost = (): void => resolve(false);
  const timer = setTimeout(lost, ms);
  connection.once('end', lost);
  connection.reset((error) => resolve(!error));
  return promise.finally(() => {
    clearTimeout(timer);
    connection.off('end', lost);
  });
}

/** Says QUIT and resolves when the connection is gone, or cuts it after `ms`. */
export function quit({ connection }: Link, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(() => connection.close(), ms);
  connection.once('end', () => resolve());
  if (connection.destroyed) resolve();
  else connection.quit();
  return promise.finally(() => clearTimeout(timer));
}

function failed(error: LibraryError, ended: boolean): Attempt {
  const result = sendFailure(error, ended);
  const { responseCode = 0 } = error;
  if (responseCode >= 400 && responseCode !== 421) return { result, connection: 'refused' };
  if (result.kind === 'refused') return { result, connection: 'ready' }; // by nodemailer, with nothing sent
  return { result, connection: result.reason === 'lost' && !ended ? 'stale' : 'broken' };
}
