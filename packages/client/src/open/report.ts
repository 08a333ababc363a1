import type { ReadReport } from '@postern/mail';
import { openReply } from '@postern/protocol/packet';
import {
  type DecodedReport,
  decodeReport,
  openReport as openSealed,
  reportBytes,
} from '@postern/protocol/report';
import type { ReturnRecord, ReturnSecret } from '../returns/index.ts';

type Mail = Extract<ReadReport, { kind: 'report' }>;

/** What became of a message that went out from here. */
export interface Report {
  readonly kind: 'report';
  readonly token: string;
  /** Names the author's copy. */
  readonly set: string;
  readonly messageId: string;
  /**
   * Who was not reached; the `secure` mailbox of a mix or a domain when the author's own gateway got no further; nobody when another
   * mail server said so.
   */
  readonly recipient?: string;
  readonly action: 'failed' | 'delayed';
  /** Enhanced status code (RFC 3463). */
  readonly status: string;
  /** What the mail system said; may be empty. */
  readonly diagnostic: string;
  /** Whether the recipient's gateway said so, sealed for this author; else it was a mail server nearer by. */
  readonly sealed: boolean;
}

export type OpenedReport =
  | Report
  /** `unknown-report`: nothing here is known by its token. `damaged-report`: what is sealed in it does not open. */
  | {
      readonly kind: 'refused';
      readonly reason: 'unknown-report' | 'damaged-report';
      readonly set?: string;
      readonly messageId?: string;
    };

// spec report 4
/** @param record what is kept of the token in the mail */
export function openReport(mail: Mail, record: ReturnRecord | undefined): OpenedReport {
  if (record === undefined) return { kind: 'refused', reason: 'unknown-report' };
  const { token, set, messageId, secret } = record;
  const about = { token, set, messageId };
  if (mail.sealed === undefined) {
    const { finalRecipient: recipient, action, status, diagnostic } = mail;
    const whom = recipient === undefined ? {} : { recipient };
    return { kind: 'report', ...about, ...whom, action, status, diagnostic, sealed: false };
  }
  const opened = unsealed(mail.sealed, secret);
  if (opened?.kind !== 'report') return { kind: 'refused', reason: 'damaged-report', set, messageId };
  const { recipient, action, status, diagnostic } = opened.report;
  return { kind: 'report', ...about, recipient, action, status, diagnostic, sealed: true };
}

/** Nothing when it is no report, or not of the kind that was asked for. */
function unsealed(
  { kind, data }: NonNullable<Mail['sealed']>,
  secret: ReturnSecret,
): DecodedReport | undefined {
  if (kind === 'sealed') return secret.kind === 'domain' ? openSealed(secret.key, data) : undefined;
  if (secret.kind !== 'surb') return undefined;
  const reply = openReply(secret.geometry, secret.secrets, data);
  if (reply.kind === 'refused') return undefined;
  const { payload } = reply;
  // spec report 2.1
  return payload.subarray(reportBytes).every((byte) => byte === 0)
    ? decodeReport(payload.subarray(0, reportBytes))
    : undefined;
}
