import { parseMailbox } from '../address.ts';
import { carriageDomain, messageIdOctets, view, writeBody, writeDate } from '../carriage/shape.ts';
import { MailError } from '../errors.ts';
import { sanitized } from './status.ts';
import { reportText, subjects } from './text.ts';

/** What came sealed for the author's program: a report under a key, or the body of a reply (spec report 4). */
export interface SealedPart {
  readonly kind: 'sealed' | 'reply';
  readonly data: Uint8Array;
}

export interface ReportParts {
  /** Mailbox that is told. */
  readonly author: string;
  /** Domain of the gateway that tells, which is the author's. */
  readonly domain: string;
  /** Return token of the message: 16 bytes in lower-case hex. */
  readonly token: string;
  readonly action: 'failed' | 'delayed';
  /** Enhanced status code of class 4 or 5 (RFC 3463). The default, 5.0.0 or 4.0.0, is for a sealed report: the gateway knows none of it. */
  readonly status?: string;
  /** Mailbox that was not reached. Of a sealed report, and of what another server reports, the gateway knows none, and that is the default. */
  readonly finalRecipient?: string;
  /** What the mail system said, as it came. */
  readonly diagnostic?: string;
  readonly sealed?: SealedPart;
  /** Lines for people in place of ours: printable ASCII. */
  readonly text?: readonly string[];
  /** Only the hour of it is written. */
  readonly now: Date;
  /** Chance, for the Message-ID. */
  random(length: number): Uint8Array;
}

/**
 * The mail that tells an author what became of a message (spec report 4): a multipart/report (RFC 6522) with delivery
 * status (RFC 3464), marked as automatic (RFC 3834). It goes out with the null return path.
 *
 * Throws `bad-domain`, `bad-options`.
 */
export function composeReport(parts: ReportParts): Uint8Array {
  const domain = carriageDomain(parts.domain);
  check(parts);
  const hour = Math.floor(parts.now.getTime() / 3_600_000) * 3600;
  const lines = [
    `From: Postern <postmaster@${domain}>`,
    `To: <${parts.author}>`,
    `Subject: ${subjects[parts.action]}`,
    `Date: ${writeDate(hour)}`,
    `Message-ID: <${view(parts.random(messageIdOctets)).toString('hex')}@${domain}>`,
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;`,
    `\tboundary="${boundary}"`,
    '',
    ...textPart(domain, parts),
    ...statusPart(domain, parts),
    ...(parts.sealed === undefined ? [] : sealedPart(parts.sealed)),
    `--${boundary}--`,
    '',
  ];
  return Buffer.from(lines.join('\r\n'), 'latin1');
}

function textPart(domain: string, parts: ReportParts): readonly string[] {
  const { action, finalRecipient: recipient, diagnostic = '', sealed } = parts;
  const told = { domain, action, recipient, diagnostic: sanitized(diagnostic), sealed: sealed !== undefined };
  return [
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    ...(parts.text ?? reportText(told)),
    '',
  ];
}

function statusPart(domain: string, parts: ReportParts): readonly string[] {
  const { token, action, finalRecipient = undisclosed } = parts;
  const { status = action === 'failed' ? '5.0.0' : '4.0.0' } = parts;
  const diagnostic = sanitized(parts.diagnostic ?? '');
  return [
    `--${boundary}`,
    'Content-Type: message/delivery-status',
    '',
    `Original-Envelope-Id: ${token}`,
    `Reporting-MTA: dns; ${domain}`,
    '',
    `Final-Recipient: rfc822; ${finalRecipient}`,
    `Action: ${action}`,
    `Status: ${status}`,
    ...(diagnostic === '' ? [] : [`Diagnostic-Code: smtp; ${diagnostic}`]),
    '',
  ];
}

function sealedPart({ kind, data }: SealedPart): readonly string[] {
  const body = writeBody(Buffer.concat([Uint8Array.of(sealedKinds[kind]), data])).toString('latin1');
  return [
    `--${boundary}`,
    `Content-Type: ${sealedType}`,
    'Content-Transfer-Encoding: base64',
    '',
    body.slice(0, -2),
  ];
}

function check({ author, token, status, finalRecipient = undisclosed, text = [] }: ReportParts): void {
  const flaws: readonly (readonly [string, boolean])[] = [
    ['an author that is no mailbox', parseMailbox(author) === undefined],
    ['a recipient that is no mailbox', parseMailbox(finalRecipient) === undefined],
    ['a token that is none', !/^[0-9a-f]{32}$/.test(token)],
    ['a status that is no failure', status !== undefined && !/^[45]\.\d{1,3}\.\d{1,3}$/.test(status)],
    ['text that is not plain', text.some((line) => !/^(?!--)[ -~]{0,998}$/.test(line))],
  ];
  const flaw = flaws.find(([, holds]) => holds)?.[0];
  if (flaw !== undefined) throw new MailError('bad-options', `a report with ${flaw}`);
}

/** The same in all: nothing of ours in the parts begins a line with it, and nobody learns from it. */
const boundary = '=_postern_report';

/** Stands for a recipient that the gateway does not know (spec report 4). */
export const undisclosed = 'undisclosed@postern.invalid';

export const sealedType = 'application/vnd.postern.report';
/** Spec report 4. */
export const sealedKinds: Readonly<Record<SealedPart['kind'], number>> = { sealed: 1, reply: 2 };
