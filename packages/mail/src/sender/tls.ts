import { isIP } from 'node:net';
import { connect, type TLSSocket } from 'node:tls';
import { checkPeer, type TlsPolicy } from './policy.ts';
import { handshakeOptions, trustIn } from './trust.ts';

/** A server of some other protocol of mail, that speaks TLS from the first octet, and how it proves that it is the one. */
export interface TlsPeer {
  readonly host: string;
  readonly port: number;
  readonly tls: Extract<TlsPolicy, { kind: 'pin' | 'web' }>;
}

export type OpenedTls =
  | { readonly kind: 'open'; readonly socket: TLSSocket }
  /** Another key, or a certificate that does not do: nothing was sent. */
  | { readonly kind: 'untrusted' }
  | { readonly kind: 'unreachable' };

/** Opens a connection to a peer that its policy trusts. Throws `bad-options`. */
export function openTls(
  { host, port, tls }: TlsPeer,
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<OpenedTls> {
  checkPeer({ host, port, tls });
  const { promise, resolve } = Promise.withResolvers<OpenedTls>();
  const servername = tls.kind === 'web' ? tls.names[0] : isIP(host) === 0 ? host : undefined;
  const socket = connect({
    host,
    port,
    ...handshakeOptions(tls),
    ...(servername === undefined ? {} : { servername }),
  });
  const fail = (): void => {
    socket.destroy();
    resolve({ kind: 'unreachable' });
  };
  const timer = setTimeout(fail, timeoutMs);
  if (signal?.aborted) fail();
  signal?.addEventListener('abort', fail, { once: true });
  socket.once('error', fail);
  socket.once('close', fail);
  socket.once('secureConnect', () => {
    socket.off('error', fail);
    socket.off('close', fail);
    socket.on('error', () => undefined); // one that nobody hears would end the process
    if (trustIn(socket, tls).kind === 'trusted') return resolve({ kind: 'open', socket });
    socket.destroy();
    resolve({ kind: 'untrusted' });
  });
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', fail);
  });
}
