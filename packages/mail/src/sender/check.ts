import { quit } from './connection.ts';
import { logIn } from './login.ts';
import { openSmtp } from './open.ts';
import { checkPeer, type SmtpPeer } from './policy.ts';
import type { DeferredReason } from './result.ts';
import { checkName } from './sender.ts';

/**
 * - `right`: the server took the login
 * - `wrong`: it refused the login for good
 * - `unavailable`: it said neither, takes no login, or is not who its policy demands; then it has seen no password
 */
export type LoginCheck = 'right' | 'wrong' | 'unavailable';

export interface CheckOptions {
  readonly ehloName: string;
  /** From the look-up of the name to the answer to the last EHLO, or to the login, in ms. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/**
 * Asks a mail server for authors (RFC 6409) whether a login is right, and sends nothing. Throws `bad-options` for what
 * cannot be asked.
 */
export async function checkLogin(
  peer: SmtpPeer & Required<Pick<SmtpPeer, 'auth'>>,
  { ehloName, timeoutMs, signal }: CheckOptions,
): Promise<LoginCheck> {
  checkName(ehloName);
  checkPeer(peer);
  const endsAt = performance.now() + timeoutMs;
  const { auth, ...stranger } = peer;
  const opened = await openSmtp(stranger, { ehloName, connectMs: timeoutMs, signal });
  if (opened.kind !== 'open') return 'unavailable';
  const { link } = opened;
  // A server that takes no login says nothing about this one.
  const offered = ['PLAIN', 'LOGIN'].some((name) => link.mechanisms.includes(name));
  const failure = offered ? await logIn(link, auth, { endsAt, signal }) : undefined;
  await quit(link, quitMs);
  if (failure?.kind === 'no-login') return 'wrong';
  return offered && failure === undefined ? 'right' : 'unavailable';
}

/**
 * - `reached`: the server answers, and is who its policy demands
 * - `untrusted`, `no-tls`, and why it could not be found out: as for a message (`SendResult`)
 */
export type ReachCheck = 'reached' | 'untrusted' | 'no-tls' | DeferredReason;

/** Opens a connection to a mail server as for a message, and sends neither one nor a login. Throws `bad-options` for a peer that cannot be asked. */
export async function checkReach(
  peer: SmtpPeer,
  { ehloName, timeoutMs, signal }: CheckOptions,
): Promise<ReachCheck> {
  checkName(ehloName);
  checkPeer(peer);
  const { auth: _auth, ...stranger } = peer;
  const opened = await openSmtp(stranger, { ehloName, connectMs: timeoutMs, signal });
  if (opened.kind === 'open') {
    await quit(opened.link, quitMs);
    return 'reached';
  }
  if (opened.kind === 'untrusted' || opened.kind === 'no-tls') return opened.kind;
  return opened.kind === 'deferred' ? opened.reason : 'protocol'; // the others answer a login, or a message
}

const quitMs = 2_000;
