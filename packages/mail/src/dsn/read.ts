import { onlyField, readHeader } from '../header.ts';
import { maxHeaderOctets, type Part, type ReportRefusal, readMultipart } from './multipart.ts';
import {
  type Action,
  actionOf,
  actions,
  type DeliveryStatus,
  diagnosticOf,
  readStatus,
  statusOf,
} from './status.ts';
import { isPlainlyEncoded } from './type.ts';

export type Dsn =
  | {
      readonly kind: 'dsn';
      /** Ids of carriages that it may be about, 16 bytes each in lower-case hex: anybody can write any. */
      readonly ids: readonly string[];
      /** The worst that became of any recipient. */
      readonly action: Action;
      readonly status: string;
      /** What the mail system said: at most 160 printable ASCII characters, or none. */
      readonly diagnostic: string;
    }
  | { readonly kind: 'no-dsn'; readonly reason: ReportRefusal };

/**
 * Reads what another mail server reports of a carriage (RFC 3464; spec report 5). The caller has seen that its return path is
 * the null one. Never throws; what can be read in two ways is refused, and nothing nested is looked into but the header
 * of what came back.
 */
export function readDsn(message: Uint8Array): Dsn {
  const read = readMultipart(message);
  if (read.kind === 'refused') return { kind: 'no-dsn', reason: read.reason };
  const [text, second, ...more] = read.parts;
  if (text === undefined || second === undefined) return { kind: 'no-dsn', reason: 'parts' };
  const status = readStatus(second);
  const worst = status && worstOf(status.recipients);
  if (worst === undefined) return { kind: 'no-dsn', reason: 'status' };
  const envelopeId = onlyField(status?.message ?? [], 'original-envelope-id')?.value ?? '';
  const ids = [envelopeId, ...more.slice(0, 1).map(returnedId)].filter((id) => /^[0-9a-f]{32}$/.test(id));
  return { kind: 'dsn', ids: [...new Set(ids)], ...worst };
}

/** Undefined when of any recipient it is not clear what became of them. */
function worstOf(
  recipients: DeliveryStatus['recipients'],
): Pick<Extract<Dsn, { kind: 'dsn' }>, 'action' | 'status' | 'diagnostic'> | undefined {
  const known = recipients.map((fields) => ({ fields, action: actionOf(fields) }));
  if (known.some(({ action }) => action === undefined)) return undefined;
  const action = actions.find((worst) => known.some((each) => each.action === worst));
  const fields = known.find((each) => each.action === action)?.fields;
  if (action === undefined || fields === undefined) return undefined;
  const unspecified = undefinedStatus[action];
  const status = statusOf(fields) ?? unspecified;
  // A success is no failure's status, whoever writes it.
  const fits = status.startsWith('2') === unspecified.startsWith('2');
  return { action, status: fits ? status : unspecified, diagnostic: diagnosticOf(fields) };
}

/** Left side of the Message-ID in the header that came back; empty when there is none. */
function returnedId({ type, fields, body }: Part): string {
  if (!returnedTypes.has(type.name) || !isPlainlyEncoded(fields)) return '';
  const header = readHeader(body, 0, maxHeaderOctets);
  const value = onlyField(header?.fields ?? [], 'message-id')?.value ?? '';
  return /^<([0-9a-f]{32})@[^<>@\s]{1,255}>$/.exec(value)?.[1] ?? '';
}

/** RFC 6522 section 3 and 4, RFC 6533 section 4. */
const returnedTypes: ReadonlySet<string> = new Set([
  'message/rfc822',
  'text/rfc822-headers',
  'message/global',
  'message/global-headers',
]);

/** RFC 3463 section 3.1: nothing but the class is known. */
const undefinedStatus: Readonly<Record<Action, string>> = {
  failed: '5.0.0',
  delayed: '4.0.0',
  relayed: '2.0.0',
  expanded: '2.0.0',
  delivered: '2.0.0',
};
