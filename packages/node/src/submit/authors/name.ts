import { parseMailbox } from '@postern/mail';

/**
 * The local part of the author that a login names, in lower case: `alice` and `Alice@a.test` are the same at a.test. Nothing for
 * what is nobody's. Only letters, digits and `._+-`: in other characters mail systems have logins of another meaning, such as
 * `alice*master`.
 */
export function localPart(user: string, domain: string): string | undefined {
  const mailbox = parseMailbox(user.includes('@') ? user : `${user}@${domain}`);
  const local = mailbox?.local.toLowerCase() ?? '';
  if (mailbox?.domain !== domain || !plain.test(local) || local === gateway) return undefined;
  return local;
}

const plain = /^[a-z0-9_](?:[a-z0-9._+-]*[a-z0-9_+-])?$/;

/** The domain's own mailbox: nobody reads there. */
const gateway = 'secure';
