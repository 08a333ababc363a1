import { type Field, onlyField, readHeader } from '../header.ts';
import { maxHeaderOctets, type Part } from './multipart.ts';
import { isPlainlyEncoded } from './type.ts';

/** RFC 3464 section 2.3.3, the worst first. */
export const actions = ['failed', 'delayed', 'relayed', 'expanded', 'delivered'] as const;
export type Action = (typeof actions)[number];

/** Fields for the message, then for each recipient (RFC 3464 section 2.1). */
export interface DeliveryStatus {
  readonly message: readonly Field[];
  readonly recipients: readonly (readonly Field[])[];
}

/** A message/delivery-status part (or its UTF-8 kind, RFC 6533); undefined when it is none. */
export function readStatus({ type, fields, body }: Part): DeliveryStatus | undefined {
  if (!statusTypes.has(type.name) || !isPlainlyEncoded(fields)) return undefined;
  const blocks: (readonly Field[])[] = [];
  let at = skipLineEnds(body, 0);
  while (at < body.length) {
    const block = readHeader(body, at, maxHeaderOctets);
    if (block === undefined || blocks.length > maxRecipients) return undefined;
    blocks.push(block.fields);
    at = skipLineEnds(body, block.end);
  }
  const [message, ...recipients] = blocks;
  return message === undefined || recipients.length === 0 ? undefined : { message, recipients };
}

/** Blocks stand apart by empty lines, of which there may be more than one. */
function skipLineEnds(octets: Buffer, start: number): number {
  let at = start;
  while (octets[at] === cr || octets[at] === lf) at += 1;
  return at;
}

/** What became of one recipient; undefined for one of whom that is said twice or not at all. */
export function actionOf(recipient: readonly Field[]): Action | undefined {
  const value = onlyField(recipient, 'action')?.value.toLowerCase();
  return actions.find((action) => action === value);
}

/** The enhanced status code (RFC 3463), without the comment that may follow; undefined when there is none. */
export function statusOf(recipient: readonly Field[]): string | undefined {
  return /^([245]\.\d{1,3}\.\d{1,3})(?:[ \t(]|$)/.exec(onlyField(recipient, 'status')?.value ?? '')?.[1];
}

/** What the mail system said, for people: printable ASCII, cut to `maxDiagnosticOctets`. */
export function diagnosticOf(recipient: readonly Field[]): string {
  const value = onlyField(recipient, 'diagnostic-code')?.value ?? '';
  return sanitized(value.slice(value.indexOf(';') + 1));
}

/** Printable ASCII in one line. */
export function sanitized(text: string): string {
  return text
    .slice(0, 4 * maxDiagnosticOctets)
    .replaceAll(/[^!-~]+/g, ' ')
    .trim()
    .slice(0, maxDiagnosticOctets)
    .trimEnd();
}

/** Spec report 3.1. */
const maxDiagnosticOctets = 160;
/** A carriage has one; a list server's may have more. */
const maxRecipients = 100;
const cr = 0x0d;
const lf = 0x0a;
const statusTypes: ReadonlySet<string> = new Set([
  'message/delivery-status',
  'message/global-delivery-status',
]);
