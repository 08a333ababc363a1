import { ByteWriter, concat, decodeBytes } from '../codec/bytes.ts';
import { ProtocolError } from '../errors.ts';
import { aead, type Random, systemRandom } from '../primitives/index.ts';
import { isMailbox } from '../sealed/mailbox.ts';
import { reportKeyBytes } from './returninfo.ts';

/** What the recipient's gateway tells the author of a message, and nobody else. */
export interface Report {
  readonly action: 'failed' | 'delayed';
  /** Unix seconds, a whole hour. */
  readonly made: number;
  /** Enhanced status code of class 4 or 5 (RFC 3463). */
  readonly status: string;
  /** The mailbox that the message was for. */
  readonly recipient: string;
  /** What the mail system said: at most 160 printable ASCII characters. */
  readonly diagnostic: string;
}

export type DecodedReport =
  | { readonly kind: 'report'; readonly report: Report }
  | { readonly kind: 'refused'; readonly reason: 'malformed' | 'unknown-version' | 'damaged' };

/** Length of every report. */
export const reportBytes = 512;
/** Length of every sealed report. */
export const sealedReportBytes: number = 12 + reportBytes + 16;
export const longestDiagnostic = 160;

// spec report 3.1
/** Throws `ProtocolError` `wrong-encoding` for what `decodeReport` would refuse. */
export function encodeReport(report: Report): Uint8Array {
  const text = (value: string): Uint8Array => new TextEncoder().encode(value);
  if (flawOf(report))
    throw new ProtocolError('wrong-encoding', 'the report has a field that cannot be written');
  const fields = new ByteWriter()
    .u8(version)
    .u8(actions.indexOf(report.action))
    .u32(report.made / secondsPerHour)
    .vector8(text(report.status))
    .vector8(text(report.recipient))
    .vector8(text(report.diagnostic))
    .finish();
  return concat(fields, new Uint8Array(reportBytes - fields.length));
}

/** Exactly one byte string gives each report. No input makes it throw. */
export function decodeReport(bytes: Uint8Array): DecodedReport {
  if (bytes.length !== reportBytes) return refused('malformed');
  if (bytes[0] !== version) return refused('unknown-version');
  const report = decodeBytes(bytes.subarray(1), (reader) => {
    const action = actions[reader.u8()];
    const made = reader.u32() * secondsPerHour;
    const text = (): string => String.fromCharCode(...reader.vector8());
    const fields = { made, status: text(), recipient: text(), diagnostic: text() };
    const padded = reader.rest().some((byte) => byte !== 0);
    return action === undefined || action === '' || padded ? undefined : { action, ...fields };
  });
  return report === undefined || flawOf(report) ? refused('malformed') : { kind: 'report', report };
}

// spec report 3.2
/** Throws `ProtocolError` `wrong-key` when the key has not 32 bytes, and what `encodeReport` throws. */
export function sealReport(key: Uint8Array, report: Report, random: Random = systemRandom): Uint8Array {
  if (key.length !== reportKeyBytes)
    throw new ProtocolError('wrong-key', `a report is sealed under ${reportKeyBytes} bytes`);
  const nonce = random.bytes(nonceBytes);
  return concat(nonce, aead.seal('aes-256-gcm', key, nonce, encodeReport(report)));
}

/** No sealed bytes make it throw. */
export function openReport(key: Uint8Array, sealed: Uint8Array): DecodedReport {
  if (sealed.length !== sealedReportBytes) return refused('malformed');
  const nonce = sealed.subarray(0, nonceBytes);
  const plain = aead.open('aes-256-gcm', key, nonce, sealed.subarray(nonceBytes));
  return plain === undefined ? refused('damaged') : decodeReport(plain);
}

function flawOf({ action, made, status, recipient, diagnostic }: Report): boolean {
  return (
    !actions.includes(action) ||
    !Number.isInteger(made / secondsPerHour) ||
    made < 0 ||
    made / secondsPerHour > 0xffff_ffff ||
    !/^[45]\.\d{1,3}\.\d{1,3}$/.test(status) ||
    !isMailbox(recipient) ||
    recipient.length > 255 ||
    !new RegExp(`^[\\x20-\\x7e]{0,${longestDiagnostic}}$`).test(diagnostic)
  );
}

function refused(reason: 'malformed' | 'unknown-version' | 'damaged'): DecodedReport {
  return { kind: 'refused', reason };
}

const version = 1;
const actions = ['', 'failed', 'delayed'] as const;
const nonceBytes = 12;
const secondsPerHour = 3600;
