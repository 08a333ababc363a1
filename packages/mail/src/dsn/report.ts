import { parseMailbox } from '../address.ts';
import { writeBody } from '../carriage/shape.ts';
import { type Field, onlyField } from '../header.ts';
import { type SealedPart, sealedKinds, sealedType, undisclosed } from './compose.ts';
import { type Part, type ReportRefusal, readMultipart } from './multipart.ts';
import { actionOf, diagnosticOf, readStatus, statusOf } from './status.ts';

export type ReadReport =
  | {
      readonly kind: 'report';
      /** Return token of the message, in lower-case hex. Who knows it is the author's program or gateway. */
      readonly token: string;
      readonly action: 'failed' | 'delayed';
      readonly status: string;
      /** Nobody when the gateway does not know it. */
      readonly finalRecipient?: string;
      /** What the mail system said: at most 160 printable ASCII characters, or none. */
      readonly diagnostic: string;
      readonly sealed?: SealedPart;
    }
  | { readonly kind: 'no-report'; readonly reason: ReportRefusal };

/**
 * Reads a mail of one's own gateway (spec report 4), below whatever servers put on top, with line ends of CRLF or, as in
 * a Maildir, LF. Strict: other parts or fields than `composeReport` writes are refused. Never throws.
 */
export function readReport(message: Uint8Array): ReadReport {
  const read = readMultipart(message);
  if (read.kind === 'refused') return { kind: 'no-report', reason: read.reason };
  const [text, second, third, more] = read.parts;
  if (text?.type.name !== 'text/plain' || second === undefined || more !== undefined)
    return { kind: 'no-report', reason: 'parts' };
  const status = readFields(second);
  if (status === undefined) return { kind: 'no-report', reason: 'status' };
  const sealed = third && readSealed(third);
  if (third !== undefined && sealed === undefined) return { kind: 'no-report', reason: 'parts' };
  return { kind: 'report', ...status, ...(sealed === undefined ? {} : { sealed }) };
}

function readFields(
  part: Part,
): Omit<Extract<ReadReport, { kind: 'report' }>, 'kind' | 'sealed'> | undefined {
  const { message, recipients: [recipient = [], more] = [] } = readStatus(part) ?? {};
  if (message === undefined || more !== undefined) return undefined;
  if (!hasOnly(message, messageFields) || !hasOnly(recipient, recipientFields)) return undefined;
  const token = onlyField(message, 'original-envelope-id')?.value ?? '';
  const action = actionOf(recipient);
  const status = statusOf(recipient);
  const [, mailbox = ''] = /^rfc822; ?(.*)$/.exec(onlyField(recipient, 'final-recipient')?.value ?? '') ?? [];
  if (
    !/^[0-9a-f]{32}$/.test(token) ||
    status?.startsWith('2') !== false ||
    parseMailbox(mailbox) === undefined
  )
    return undefined;
  if (action !== 'failed' && action !== 'delayed') return undefined;
  const known = mailbox === undisclosed ? {} : { finalRecipient: mailbox };
  return { token, action, status, ...known, diagnostic: diagnosticOf(recipient) };
}

function hasOnly(fields: readonly Field[], names: ReadonlySet<string>): boolean {
  const there = new Set(fields.map(({ name }) => name));
  return there.size === fields.length && there.isSubsetOf(names);
}

/** Canonical base64, as it is written: one way for each. */
function readSealed({ type, fields, body }: Part): SealedPart | undefined {
  const encoding = onlyField(fields, 'content-transfer-encoding')?.value.toLowerCase();
  if (type.name !== sealedType || encoding !== 'base64') return undefined;
  const text = body.toString('latin1').replaceAll('\r\n', '\n');
  const bytes = Buffer.from(text, 'base64');
  const canonical = writeBody(bytes).toString('latin1').replaceAll('\r\n', '\n').slice(0, -1);
  const kind =
    bytes[0] === sealedKinds.sealed ? 'sealed' : bytes[0] === sealedKinds.reply ? 'reply' : undefined;
  return kind === undefined || text !== canonical ? undefined : { kind, data: bytes.subarray(1) };
}

const messageFields: ReadonlySet<string> = new Set(['original-envelope-id', 'reporting-mta']);
const recipientFields: ReadonlySet<string> = new Set([
  'final-recipient',
  'action',
  'status',
  'diagnostic-code',
]);
