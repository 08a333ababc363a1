import { formatMailbox, parseMailbox } from '../address.ts';
import { lineFault, verb } from './command.ts';
import type { DataFault } from './data.ts';
import type { Decision, Refusal } from './receive.ts';

/** Code, RFC 3463 code and text. */
export type Reply = readonly [code: number, enhanced: string, text: string];

/** The answer to data that was read to its end. */
export const faultReply: Readonly<Record<DataFault, Reply>> = {
  'line-ends': [550, '5.6.0', 'a CR or LF stands alone'],
  nul: [550, '5.6.0', 'a NUL octet'],
  'long-line': [550, '5.6.0', 'a line is longer than 998 octets'],
  'too-big': [552, '5.3.4', 'message too big'],
};

export const acceptedReply: Reply = [250, '2.6.0', 'taken'];
export const faultedReply: Reply = [451, '4.3.0', 'not now'];

export function decisionReply(decision: Decision): Reply {
  switch (decision.kind) {
    case 'accepted':
      return acceptedReply;
    case 'rejected':
      return [decision.code, decision.enhanced, decision.text];
    case 'deferred':
      return [decision.code ?? 451, decision.enhanced ?? '4.3.0', decision.text];
  }
}

/** The answer to a command line that never reaches smtp-server. `handedOn`: a return path need not be ASCII. */
export function lineRefusal(line: Buffer, secure: boolean, handedOn: boolean): Reply | undefined {
  const word = verb(line);
  if (proxyWords.has(word)) return [550, '5.7.0', 'not from you'];
  const fault = lineFault(line);
  if (fault === 'control') return [501, '5.5.2', 'control character'];
  if (!secure && !clearWords.has(word)) return [530, '5.7.0', 'STARTTLS first'];
  if (fault === undefined || (handedOn && word === 'MAIL')) return undefined;
  return word === 'MAIL' || word === 'RCPT'
    ? [553, '5.6.7', 'address is not ASCII']
    : [501, '5.5.2', 'not ASCII'];
}

interface SentAddress {
  readonly address: string;
  readonly args: object | false;
}

/** What the server offers that MAIL may make use of. */
export interface MailOffer {
  readonly requireTls: boolean;
  /** The mailbox that has logged in, where clients have to. */
  readonly author: string | undefined;
  /** The client is a mail server that hands on whatever return path it was told. */
  readonly handedOn: boolean;
}

/** The answer to MAIL, if it is a refusal. Nobody is turned away for who they say they are, but for saying it of another. */
export function senderRefusal(
  { address, args }: SentAddress,
  { requireTls, author, handedOn }: MailOffer,
): Reply | undefined {
  const known = (key: string): boolean =>
    mailParameters.has(key) ||
    (key === 'REQUIRETLS' && requireTls) ||
    (key === 'AUTH' && author !== undefined); // RFC 4954 section 5; nobody is trusted to say who else logged in
  if (!Object.keys(args).every(known)) return unknownParameter;
  if (address !== '' && !handedOn && parseMailbox(address) === undefined)
    return [553, '5.1.7', 'not a plain mailbox'];
  if (author !== undefined && address.toLowerCase() !== author.toLowerCase())
    return [550, '5.7.1', 'not your mailbox'];
  return undefined;
}

/** The answer to RCPT, if it is a refusal: everything but an accepted mailbox, written plainly, is relaying. */
export function recipientRefusal(
  { address, args }: SentAddress,
  accepts: (mailbox: string) => boolean | Refusal,
): Reply | undefined {
  const mailbox = parseMailbox(address);
  const accepted = mailbox !== undefined && accepts(formatMailbox(mailbox));
  if (accepted === false) return [550, '5.7.1', 'no relaying'];
  if (accepted !== true) return decisionReply(accepted);
  return Object.keys(args).length > 0 ? unknownParameter : undefined;
}

/** Before TLS (RFC 3207 section 4). */
const clearWords = new Set(['EHLO', 'NOOP', 'QUIT', 'STARTTLS']);
/** Commands by which a proxy says who the client is; there is none in front. */
const proxyWords = new Set(['XCLIENT', 'XFORWARD', 'PROXY']);
const mailParameters = new Set(['SIZE', 'BODY']);
const unknownParameter: Reply = [555, '5.5.4', 'parameter not implemented'];
