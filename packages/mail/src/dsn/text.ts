/** What the letter says to a person. */
export interface TextParts {
  readonly domain: string;
  readonly action: 'failed' | 'delayed';
  readonly sealed: boolean;
  readonly recipient: string | undefined;
  readonly diagnostic: string;
}

/** Lines of ASCII, none longer than 78 octets but for a long name: what happened, why as far as it is known, what to do. */
export function reportText(parts: TextParts): readonly string[] {
  return parts.action === 'failed' ? failedText(parts) : delayedText(parts);
}

export const subjects: Readonly<Record<TextParts['action'], string>> = {
  failed: 'Your message was not delivered',
  delayed: 'Your message is delayed',
};

function failedText(parts: TextParts): readonly string[] {
  return [
    ...greeting(parts),
    'I am sorry: a message that you sent with Postern could not be delivered.',
    '',
    ...reason(parts),
    ...which,
    '',
    'Nobody will try again. Check the address, send it once more, or ask the',
    'recipient in another way whether something is wrong at their end.',
  ];
}

function delayedText(parts: TextParts): readonly string[] {
  return [
    ...greeting(parts),
    'A message that you sent with Postern has not been delivered yet.',
    '',
    ...reason(parts),
    'You need not do anything: it is tried again, and you will be told if it has to',
    'be given up.',
    '',
    ...which,
  ];
}

function greeting({ domain }: TextParts): readonly string[] {
  return [`This is the Postern gateway of ${domain}.`, ''];
}

function reason({ sealed, recipient, diagnostic }: TextParts): readonly string[] {
  if (sealed)
    return [
      'This gateway knows neither which message it was, nor to whom, nor why: that is',
      'in the sealed part below, which only your own program can read.',
      '',
    ];
  const said = diagnostic.match(/.{1,72}/g) ?? [];
  const where =
    recipient === undefined
      ? ['It did not get past a mail server on the way.', '']
      : ['It did not get past', '', `    ${recipient}`, ''];
  return [
    ...where,
    ...(said.length === 0 ? [] : ['There this was said:', '', ...said.map((line) => `    ${line}`), '']),
  ];
}

const which: readonly string[] = ['To see which message it was, open this mail with', '', '    postern open'];
