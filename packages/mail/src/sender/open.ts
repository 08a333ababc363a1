import { type NetConnectOpts, connect as netConnect } from 'node:net';
import { TLSSocket } from 'node:tls';
import SMTPConnection, { type SMTPConnectionOptions } from 'nodemailer/lib/smtp-connection/index.js';
import { type Link, linkOf } from './connection.ts';
import { logIn } from './login.ts';
import { policyOf, type SmtpPeer, type TlsPolicy } from './policy.ts';
import { connectFailure, type SendResult } from './result.ts';
import { type Limits, until } from './settle.ts';
import { stuffBySearch } from './stuffing.ts';
import { handshakeOptions, type Trust, trustIn } from './trust.ts';

/** Where an LMTP server listens. What goes there is not encrypted: keep it on this machine. */
export type LmtpTarget = { readonly host: string; readonly port: number } | { readonly path: string };

export type Opened = { readonly kind: 'open'; readonly link: Link } | SendResult;

interface OpenOptions {
  readonly ehloName: string;
  /** From the look-up of the name to the answer to the last EHLO, or to the login. */
  readonly connectMs: number;
  readonly signal: AbortSignal | undefined;
}

/**
 * Opens a connection up to the last EHLO, or the login, to a peer that its policy trusts.
 *
 * Before that is known the peer, or who stands in its place, has been sent two EHLOs (the configured name, which the
 * first of them shows to the wire anyway), STARTTLS and the TLS handshake: no mailbox, no login and nothing of a
 * message.
 */
export async function openSmtp(peer: SmtpPeer, options: OpenOptions): Promise<Opened> {
  const limits = { endsAt: performance.now() + options.connectMs, signal: options.signal };
  const policy = policyOf(peer);
  const opened = await openTrusted(peer, policy, options.ehloName, limits);
  if (opened.kind !== 'open') return opened;
  if (peer.auth === undefined) return opened;
  const failure = await logIn(opened.link, peer.auth, limits);
  if (failure === undefined) return opened;
  opened.link.connection.close();
  return failure;
}

/** Opens a connection up to LHLO. */
export async function openLmtp(target: LmtpTarget, options: OpenOptions): Promise<Opened> {
  const where: NetConnectOpts =
    'path' in target ? { path: target.path } : { host: target.host, port: target.port };
  const limits = { endsAt: performance.now() + options.connectMs, signal: options.signal };
  const connection = new SMTPConnection({
    ...common(options.ehloName, limits),
    connection: netConnect(where),
    lmtp: true,
    ignoreTLS: true,
  });
  return connect(connection, limits);
}

async function openTrusted(
  peer: SmtpPeer,
  policy: TlsPolicy,
  ehloName: string,
  limits: Limits,
): Promise<Opened> {
  const first = await shakeHands(peer, policy, ehloName, limits);
  if (policy.kind === 'opportunistic' && first.kind === 'no-tls' && peer.implicitTls !== true)
    return connect(smtp(peer, ehloName, limits, { ignoreTLS: true }), limits);
  if (first.kind !== 'anchors') return first;
  const second = await shakeHands(peer, policy, ehloName, limits, first.anchors);
  return second.kind === 'anchors' ? { kind: 'untrusted' } : second;
}

async function shakeHands(
  peer: SmtpPeer,
  policy: TlsPolicy,
  ehloName: string,
  limits: Limits,
  anchors?: readonly string[],
): Promise<Opened | Extract<Trust, { kind: 'anchors' }>> {
  const opportunistic = policy.kind === 'opportunistic';
  const connection = smtp(peer, ehloName, limits, {
    requireTLS: !opportunistic,
    opportunisticTLS: opportunistic,
    tls: handshakeOptions(policy, anchors),
    ...('names' in policy ? { servername: policy.names[0] } : {}),
  });
  const opened = await connect(connection, limits);
  if (opened.kind !== 'open' || opportunistic) return opened;
  const { _socket: socket } = connection;
  const trust: Trust | { kind: 'no-tls' } =
    socket instanceof TLSSocket ? trustIn(socket, policy, anchors) : { kind: 'no-tls' };
  if (trust.kind === 'trusted') return opened;
  connection.close();
  return trust;
}

function smtp(peer: SmtpPeer, ehloName: string, limits: Limits, tls: SMTPConnectionOptions): SMTPConnection {
  return new SMTPConnection({
    ...common(ehloName, limits),
    host: peer.host,
    port: peer.port,
    secure: peer.implicitTls === true, // or port 465 decides
    ...tls,
    ...(peer.serverName === undefined ? {} : { servername: peer.serverName }),
  });
}

function common(name: string, { endsAt }: Limits): SMTPConnectionOptions {
  const ms = Math.max(Math.ceil(endsAt - performance.now()), 1); // the resolver takes whole numbers alone
  return {
    name, // the default is the machine's own name
    connectionTimeout: ms,
    greetingTimeout: ms,
    dnsTimeout: ms,
    socketCloseTimeout: 0,
    maxResponseSize: 65_536,
    allowInternalNetworkInterfaces: true,
    logger: false,
  };
}

async function connect(connection: SMTPConnection, limits: Limits): Promise<Opened> {
  stuffBySearch(connection);
  const failure = await until(connection, limits, connectFailure, (done) => connection.connect(done));
  return failure ?? { kind: 'open', link: linkOf(connection) };
}
