import type { Link } from './connection.ts';
import type { SmtpPeer } from './policy.ts';
import { connectFailure, deferred, type LibraryError, type SendResult } from './result.ts';
import { type Limits, until } from './settle.ts';

/** Logs in (RFC 4954) by PLAIN, or LOGIN where that is all there is. To nothing, or to why not. */
export async function logIn(
  { connection, mechanisms }: Link,
  { user, pass }: NonNullable<SmtpPeer['auth']>,
  limits: Limits,
): Promise<SendResult | undefined> {
  const method = ['PLAIN', 'LOGIN'].find((name) => mechanisms.includes(name));
  if (method === undefined) return { kind: 'no-login' };
  return until(connection, limits, loginFailure, (done) => connection.login({ user, pass, method }, done));
}

function loginFailure(error: LibraryError): SendResult {
  const { code, response, responseCode } = error;
  if (responseCode !== undefined && responseCode >= 500) return { kind: 'no-login' };
  if (code === 'EAUTH' && response !== undefined && responseCode === undefined) return deferred('protocol');
  return connectFailure(error);
}
