import {
  type HeaderField,
  maxMessageBytes,
  messageToCrlf,
  parseHeader,
  type Recipients,
  type RecipientsRefusedReason,
  readAuthors,
  readRecipients,
} from '@postern/protocol/sealed';
import { ExitCode, type Random } from '@postern/runtime';
import { storedMailbox } from '../keys/index.ts';
import type { Draft, Problem, ProblemCode } from '../message.ts';

export interface Composed {
  /** Absent when the message cannot be read that far. */
  readonly draft?: Draft;
  readonly problems: readonly Problem[];
}

export interface ComposeOptions {
  /** The mailbox that the message has to be from. */
  readonly sender: string;
  readonly now: Date;
  readonly random: Random;
}

/**
 * Reads a message (RFC 5322, lines end in CRLF or LF) as its author gave it: who sends it, to whom. Adds Date and Message-ID where they are
 * missing, as a submission agent does (RFC 6409 section 8).
 */
export function compose(given: Uint8Array, options: ComposeOptions): Composed {
  // Of one that is too long the header is read all the same, so that everything wrong is told at once. What is given counts with its
  // Bcc, and line ends only make it longer: sealing would take nothing that is refused here, Bcc aside.
  const message = messageToCrlf(given.subarray(0, maxMessageBytes));
  if (message === undefined) {
    const hint = 'End all lines of the header in CRLF, or all in LF.';
    return {
      problems: [
        problem('bad-message', 'the message ends the lines of its header in more than one way', hint),
      ],
    };
  }
  const header = parseHeader(message);
  if (header.kind === 'refused') {
    const hint = 'Give a whole message: header fields, an empty line, the body.';
    return { problems: [problem('bad-message', 'the message has no header that can be read', hint)] };
  }
  const [authors, recipients] = [readAuthors(message), readRecipients(message)];
  const from = authorOf(authors, options.sender);
  const to = recipientsOf(recipients);
  const problems = [
    ...sizeProblems(Math.max(given.length, message.length)),
    ...from.problems,
    ...to.problems,
  ];
  // Who it is from, or to, depends on who reads it; sealing would tell that again.
  if (isRepeated(authors) || isRepeated(recipients)) return { problems };
  const completed = complete(message, header.fields, options);
  return { draft: { ...completed, from: from.mailbox, recipients: to.mailboxes }, problems };
}

function authorOf(authors: Recipients, sender: string): { mailbox: string; problems: Problem[] } {
  const [mailbox, ...others] = authors.kind === 'recipients' ? authors.mailboxes : [];
  if (mailbox === undefined || others.length > 0) {
    const what = 'the message has not exactly one mailbox in From';
    return { mailbox: sender, problems: [problem('bad-message', what, `Write one: From: ${sender}`)] };
  }
  if (storedMailbox(mailbox) === storedMailbox(sender)) return { mailbox, problems: [] };
  const hint = `Write From: ${sender}, or send with --as ${mailbox} if that is yours.`;
  const what = `the message is from ${mailbox}, not from ${sender}`;
  return { mailbox: sender, problems: [problem('not-own-mailbox', what, hint)] };
}

function isRepeated(read: Recipients): boolean {
  return read.kind === 'refused' && read.reason === 'repeated-field';
}

function recipientsOf(recipients: Recipients): { mailboxes: string[]; problems: Problem[] } {
  if (recipients.kind === 'refused') {
    const hint =
      'A mailbox is local@domain in ASCII, without quotes; several are parted by commas, in one field.';
    const what = `To, Cc and Bcc cannot be read: ${flaws[recipients.reason]}`;
    return { mailboxes: [], problems: [problem('bad-recipient', what, hint)] };
  }
  if (recipients.mailboxes.length === 0) {
    const hint = 'Write at least one mailbox into To, Cc or Bcc.';
    return { mailboxes: [], problems: [problem('no-recipient', 'the message is to no one', hint)] };
  }
  // Keys are kept without regard to case, so `Bob` and `bob` are one recipient.
  const unique = new Map(recipients.mailboxes.map((mailbox) => [storedMailbox(mailbox), mailbox]));
  return { mailboxes: [...unique.values()], problems: [] };
}

const flaws: Readonly<Record<RecipientsRefusedReason, string>> = {
  'malformed-address': 'something in them is no address',
  'unsupported-address': 'an address in them is of a kind that cannot be written to',
  'malformed-header': 'the header is damaged',
  'header-too-large': 'the header is too large',
  'repeated-field': 'one of them is there twice',
};

function sizeProblems(length: number): Problem[] {
  if (length <= maxMessageBytes) return [];
  const hint = 'Send less at once, or share large files by another way.';
  return [problem('too-large', `the message has ${length} bytes; ${maxMessageBytes} is the most`, hint)];
}

function complete(
  message: Uint8Array,
  fields: readonly HeaderField[],
  { sender, now, random }: ComposeOptions,
): Pick<Draft, 'message' | 'messageId'> {
  const fieldText = (name: string): string | undefined =>
    fields.find((field) => field.name.toLowerCase() === name)?.value.trim();
  const domain = sender.slice(sender.lastIndexOf('@') + 1);
  const messageId = fieldText('message-id') ?? `<${Buffer.from(random.bytes(16)).toString('hex')}@${domain}>`;
  const added = [
    ...(fieldText('date') === undefined ? [`Date: ${now.toUTCString().replace('GMT', '+0000')}\r\n`] : []),
    ...(fieldText('message-id') === undefined ? [`Message-ID: ${messageId}\r\n`] : []),
  ];
  return { message: Buffer.concat([Buffer.from(added.join('')), message]), messageId };
}

function problem(code: ProblemCode, message: string, hint: string): Problem {
  return { code, message, hint, exitCode: ExitCode.dataError };
}
