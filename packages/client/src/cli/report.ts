import type { Report } from '../client.ts';

/** What a report comes to, for a person: which message, to whom, why, what to do. */
export function reportText(report: Report): string {
  const { action, messageId, subject, to, recipient, status, diagnostic, sealed } = report;
  const what = action === 'failed' ? 'was NOT DELIVERED' : 'has not been delivered yet';
  const said = diagnostic === '' ? '' : `, with the words: ${diagnostic}`;
  const by = sealed ? 'the gateway of the recipient’s domain, sealed for you' : 'a mail server on the way';
  return [
    `Your message ${messageId} ${what}.`,
    ...(subject === undefined ? [] : [`Subject: ${subject}`]),
    ...(to === undefined ? [] : [`To: ${to}`]),
    ...(recipient === undefined ? [] : [`Not reached: ${recipient}`]),
    `Reason: ${reasonOf(status)} (${status})${said}`,
    `Said by: ${by}`,
    `What to do: ${adviceOf(report)}`,
    '',
  ].join('\n');
}

/** RFC 3463, as far as a person can do something about it; otherwise by its subject, the second number. */
function reasonOf(status: string): string {
  const [, subject = '', detail = ''] = status.split('.');
  return (
    details[`${subject}.${detail}`] ?? subjects[subject] ?? 'the mail system of the recipient did not say why'
  );
}

const details: Readonly<Record<string, string>> = {
  '1.1': 'there is no such mailbox',
  '1.2': 'there is no such domain, or it takes no mail',
  '1.6': 'the mailbox has moved',
  '2.1': 'the mailbox takes nothing',
  '2.2': 'the mailbox is full',
  '2.3': 'the message is too long for the mailbox',
  '3.4': 'the message is too long for the mail system',
  '4.7': 'it could not be handed over in time',
  '7.10': 'no encrypted connection could be had',
};

const subjects: Readonly<Record<string, string>> = {
  '1': 'the address does not work',
  '2': 'the mailbox does not take it',
  '3': 'the mail system there does not take it',
  '4': 'the way there does not work',
  '5': 'mail servers did not understand each other',
  '6': 'the message is of a kind that is not taken there',
  '7': 'it is not allowed there',
};

function adviceOf({ action, status, recipient, sealed }: Report): string {
  if (action === 'delayed')
    return 'nothing; it is tried again, and another report comes only if it has to be given up';
  if (!sealed)
    return `send it again later; if it comes back again, tell the operator of your gateway that ${recipient ?? 'the recipient’s domain'} cannot be reached`;
  const [, subject = '', detail = ''] = status.split('.');
  if (subject === '1') return `check the address ${recipient}, and send it again to the right one`;
  if (`${subject}.${detail}` === '2.3' || `${subject}.${detail}` === '3.4') return 'send less at once';
  return `nobody will try again: ask ${recipient} in another way, and send it again once that is mended`;
}
