import type SMTPConnection from 'nodemailer/lib/smtp-connection/index.js';
import { deferred, type LibraryError, type SendResult } from './result.ts';

export interface Limits {
  /** By `performance.now()`. */
  readonly endsAt: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Runs one step of opening a connection: to nothing, or to what its failure means. nodemailer bounds each step by
 * silence only, so that a peer that trickles would never end: hence a deadline over all. Nor does it call back when
 * the connection breaks under a login.
 */
export function until(
  connection: SMTPConnection,
  { endsAt, signal }: Limits,
  meaning: (error: LibraryError) => SendResult,
  step: (done: (error?: Error | null) => void) => void,
): Promise<SendResult | undefined> {
  const { promise, resolve } = Promise.withResolvers<SendResult | undefined>();
  const giveUp = (reason: 'aborted' | 'timeout'): void => {
    resolve(deferred(reason));
    connection.close();
  };
  const abort = (): void => giveUp('aborted');
  const fail = (error: Error): void => resolve(meaning(error as LibraryError));
  const lost = (): void => resolve(deferred('lost'));
  if (signal?.aborted) abort();
  const timer = setTimeout(() => giveUp('timeout'), Math.max(endsAt - performance.now(), 1));
  signal?.addEventListener('abort', abort, { once: true });
  connection.on('error', fail); // stays: an error that nobody hears would end the process
  connection.once('end', lost);
  step((error) => (error ? fail(error) : resolve(undefined)));
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    connection.off('end', lost);
  });
}
