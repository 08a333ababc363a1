import type { AuthDecision, LoginCheck } from '@postern/mail';
import { checkLogin, type SmtpPeer } from '@postern/mail';
import type { Authors } from './authors.ts';
import { type PassOnOptions, passOn } from './passon.ts';

/** Authors are who may log in to the domain's own submission server (RFC 6409). */
export function smtpAuthors(
  server: SmtpPeer,
  { ehloName, ...options }: PassOnOptions & { readonly ehloName: string },
): Authors {
  return passOn(options, async (user, pass, signal) => {
    const check = await checkLogin({ ...server, auth: { user, pass } }, { ehloName, timeoutMs, signal });
    return decisions[check];
  });
}

const decisions: Readonly<Record<LoginCheck, AuthDecision['kind']>> = {
  right: 'author',
  wrong: 'refused',
  unavailable: 'unavailable',
};
const timeoutMs = 20_000;
