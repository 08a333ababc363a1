import { parseMailbox } from '@postern/mail';
import type { DeliveryConfig } from './config.ts';

/**
 * Whose mail a gateway takes. Gives the local part by which the mail system knows a mailbox, or nothing: for a Maildir
 * only one of the configured names, so that no text from afar ever becomes a path.
 */
export function mailboxFinder({ domain, to }: DeliveryConfig): (recipient: string) => string | undefined {
  const known = to.kind === 'maildir' ? new Map(to.mailboxes.map((name) => [name, name])) : undefined;
  return (recipient) => {
    const mailbox = parseMailbox(recipient);
    if (mailbox === undefined || mailbox.domain !== domain) return undefined;
    return known === undefined ? mailbox.local : known.get(mailbox.local.toLowerCase());
  };
}
