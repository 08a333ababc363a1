import { type NetConnectOpts, connect as netConnect } from 'node:net';
import { TLSSocket } from 'node:tls';
import SMTPConnection, { type SMTPConnectionOptions } from 'nodemailer/lib/smtp-connection/index.js';
import { tlsOptions } from '../tls.ts';
import { type Link, linkOf } from './connection.ts';
import { pinOf } from './pin.ts';
import { connectFailure, deferred, type LibraryError, type SendResult } from './result.ts';
import { stuffBySearch } from './stuffing.ts';

/** A mail server, and the key by which it is known. */
export interface SmtpPeer {
  readonly host: string;
  readonly port: number;
  /** Hex SHA-256 of the SubjectPublicKeyInfo of its certificate. */
  readonly tlsPin: string;
  /** Sent as SNI; nothing is sent without it if `host` is an address. */
  readonly serverName?: string;
}

/** Where an LMTP server listens. What goes there is not encrypted: keep it on this machine. */
export type LmtpTarget = { readonly host: string; readonly port: number } | { readonly path: string };

export type Opened = { readonly kind: 'open'; readonly link: Link } | SendResult;

interface OpenOptions {
  readonly ehloName: string;
  /** From the look-up of the name to the answer to the last EHLO. */
  readonly connectMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Opens a connection up to the second EHLO, over TLS 1.3 to the holder of the pinned key.
 *
 * Before the key is checked the peer, or who stands in its place, has been sent two EHLOs (the configured name, which
 * the first of them shows to the wire anyway), STARTTLS and the TLS handshake: no mailbox and nothing of a message.
 */
export async function openSmtp(peer: SmtpPeer, options: OpenOptions): Promise<Opened> {
  const connection = new SMTPConnection({
    ...common(options),
    host: peer.host,
    port: peer.port,
    ...(peer.serverName === undefined ? {} : { servername: peer.serverName }),
    requireTLS: true,
    // The pin takes the place of a certificate authority's word. That the peer holds the key is proven by the TLS 1.3
    // handshake itself, whatever this option says.
    tls: { ...tlsOptions('TLSv1.3'), rejectUnauthorized: false },
  });
  const opened = await open(connection, options);
  if (opened.kind !== 'open') return opened;
  const { _socket: socket } = connection;
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
  if (certificate !== undefined && pinOf(certificate) === peer.tlsPin.toLowerCase()) return opened;
  connection.close();
  return { kind: certificate === undefined ? 'no-tls' : 'wrong-pin' };
}

/** Opens a connection up to LHLO. */
export function openLmtp(target: LmtpTarget, options: OpenOptions): Promise<Opened> {
  const where: NetConnectOpts =
    'path' in target ? { path: target.path } : { host: target.host, port: target.port };
  const connection = new SMTPConnection({
    ...common(options),
    connection: netConnect(where),
    lmtp: true,
    ignoreTLS: true,
  });
  return open(connection, options);
}

function common({ ehloName, connectMs }: OpenOptions): SMTPConnectionOptions {
  return {
    name: ehloName, // the default is the machine's own name
    connectionTimeout: connectMs,
    greetingTimeout: connectMs,
    dnsTimeout: connectMs,
    socketCloseTimeout: 0,
    maxResponseSize: 65_536,
    allowInternalNetworkInterfaces: true,
    logger: false,
  };
}

/** nodemailer bounds each step by silence only, so that a peer that trickles would never end: hence a deadline over all. */
function open(connection: SMTPConnection, { connectMs, signal }: OpenOptions): Promise<Opened> {
  const { promise, resolve } = Promise.withResolvers<Opened>();
  const giveUp = (reason: 'aborted' | 'timeout'): void => {
    resolve(deferred(reason));
    connection.close();
  };
  stuffBySearch(connection);
  const abort = (): void => giveUp('aborted');
  if (signal?.aborted) abort();
  const timer = setTimeout(() => giveUp('timeout'), connectMs);
  signal?.addEventListener('abort', abort, { once: true });
  connection.on('error', (error) => resolve(connectFailure(error as LibraryError)));
  connection.once('end', () => resolve(deferred('lost')));
  connection.connect((error) => {
    if (error) resolve(connectFailure(error as LibraryError));
    else resolve({ kind: 'open', link: linkOf(connection) });
  });
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
  });
}
