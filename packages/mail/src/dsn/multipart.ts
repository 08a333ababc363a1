import { view } from '../carriage/shape.ts';
import { type Field, readHeader } from '../header.ts';
import { type MediaType, mediaType } from './type.ts';

/**
 * - `too-big`: longer than `maxReportOctets`
 * - `header`: no header, or one whose type can be read in two ways
 * - `type`: no multipart/report of delivery status
 * - `parts`: parts that cannot be told apart, or not the ones that are expected
 * - `status`: a delivery status that is none, or that can be read in two ways
 */
export type ReportRefusal = 'too-big' | 'header' | 'type' | 'parts' | 'status';

export interface Part {
  readonly fields: readonly Field[];
  readonly type: MediaType;
  readonly body: Buffer;
}

export type Multipart =
  | { readonly kind: 'parts'; readonly parts: readonly Part[] }
  | { readonly kind: 'refused'; readonly reason: ReportRefusal };

/**
 * The parts of a multipart/report with delivery status (RFC 6522, RFC 3464). Parts of parts are not looked for: whatever is nested in
 * them is octets. Never throws, and the time it takes is linear in the length.
 */
export function readMultipart(message: Uint8Array): Multipart {
  const octets = view(message);
  if (octets.length > maxReportOctets) return refused('too-big');
  const header = readHeader(octets, 0, maxHeaderOctets);
  const type = header && mediaType(header.fields);
  if (header === undefined || type === undefined) return refused('header');
  if (type.name !== 'multipart/report' || !isDeliveryStatus(type.parameters.get('report-type')))
    return refused('type');
  const boundary = type.parameters.get('boundary') ?? '';
  const bodies = isBoundary(boundary) ? split(octets.subarray(header.end), `--${boundary}`) : undefined;
  const parts = bodies?.map(readPart).filter((part) => part !== undefined);
  return parts === undefined || parts.length !== bodies?.length ? refused('parts') : { kind: 'parts', parts };
}

function isDeliveryStatus(reportType: string | undefined): boolean {
  return reportType?.toLowerCase() === 'delivery-status';
}

/** RFC 2046 section 5.1.1. */
function isBoundary(text: string): boolean {
  return /^[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]$/.test(text);
}

/** What stands between the delimiter lines; undefined when the last one is missing or there are too many. */
function split(octets: Buffer, delimiter: string): Buffer[] | undefined {
  const parts: Buffer[] = [];
  let start: number | undefined;
  for (let at = octets.indexOf(delimiter); at >= 0; at = octets.indexOf(delimiter, at + 1)) {
    const line = delimiterLine(octets, at, delimiter.length);
    if (line === undefined) continue;
    if (start !== undefined) parts.push(octets.subarray(start, Math.max(start, endOfLine(octets, at))));
    if (line.closes) return parts;
    if (parts.length === maxParts) return undefined;
    start = line.end;
  }
  return undefined;
}

/** Whether the delimiter at `at` has a line to itself: another one's may begin with it, and so may a line of text. */
function delimiterLine(
  octets: Buffer,
  at: number,
  length: number,
): { closes: boolean; end: number } | undefined {
  if (at > 0 && octets[at - 1] !== lf) return undefined;
  const next = octets.indexOf(lf, at);
  const end = next < 0 ? octets.length : next + 1;
  const rest = octets.toString('latin1', at + length, Math.min(end, at + length + maxRestOctets));
  const match = /^(--)?[ \t]*\r?(?:\n|$)/.exec(rest);
  return match === null ? undefined : { closes: match[1] !== undefined, end };
}

/** Where the line before `at` ends: its line end belongs to the delimiter. */
function endOfLine(octets: Buffer, at: number): number {
  return at - (octets[at - 2] === cr ? 2 : 1);
}

function readPart(octets: Buffer): Part | undefined {
  const header = readHeader(octets, 0, maxHeaderOctets);
  if (header === undefined) return undefined;
  const type = mediaType(header.fields) ?? { name: '', parameters: new Map() };
  return { fields: header.fields, type, body: octets.subarray(header.end) };
}

function refused(reason: ReportRefusal): Multipart {
  return { kind: 'refused', reason };
}

/** Longest report, in octets: a carriage comes back whole in it, and more than once would be strange. */
export const maxReportOctets = 262_144;
/** With the traces of many servers. */
export const maxHeaderOctets = 65_536;
const maxParts = 10;
/** White space that may stand behind a delimiter, and its line end. */
const maxRestOctets = 100;
const cr = 0x0d;
const lf = 0x0a;
