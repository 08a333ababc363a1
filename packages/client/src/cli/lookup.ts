import { confirm } from '@postern/runtime';
import type { Consent } from '../compose/reader.ts';
import { visible } from './visible.ts';

/** Says who would learn what, and asks. Without a terminal the answer is no. */
export function consentAtTerminal(stop: AbortSignal): Consent {
  return async (mailboxes) => {
    const whom = mailboxes.join(', ');
    const question =
      `There is no usable key of ${whom}. Look it up now? Your DNS resolver and the name servers of the domain may learn a hash ` +
      'of the mailbox; the web server of the domain may learn the mailbox and your IP address; and all of them, that it is now. [y/N] ';
    return (await confirm(visible(question), stop)) === true;
  };
}
