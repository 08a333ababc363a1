import { isDomain } from '../address.ts';
import { maxLineOctets } from '../server/data.ts';
import { type HeaderValues, view, writeBody, writeHeader } from './shape.ts';

/**
 * - `trace`: what stands on top is not a trace of mail servers (spec carriage 4), or is longer than `maxTraceOctets`
 * - `header`: the eight fields are not there byte for byte (spec carriage 2)
 * - `body`: not the canonical base64 of as many bytes as were expected (spec carriage 3)
 */
export type CarriageRefusal = 'trace' | 'header' | 'body';

export type OpenedCarriage =
  | { readonly kind: 'carriage'; readonly bytes: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: CarriageRefusal };

/** Longest trace that other mail servers may have put on top, in octets (spec carriage 4.3). */
export const maxTraceOctets = 16_384;

/**
 * Takes the bytes out of a carriage. Never throws. Everything but the trace must be exactly what `makeCarriage` writes
 * for some domains, hour and Message-ID: it is read, written again and compared, so there is one way to write each.
 *
 * @param expectBytes how many bytes the carriage must hold
 */
export function openCarriage(message: Uint8Array, expectBytes: number): OpenedCarriage {
  const octets = view(message);
  const start = skipTrace(octets);
  if (start === undefined || !isPlain(octets.subarray(0, start))) return refused('trace');
  const bodyStart = readHeader(octets, start);
  if (bodyStart === undefined) return refused('header');
  const bytes = readBody(octets.subarray(bodyStart), expectBytes);
  return bytes === undefined ? refused('body') : { kind: 'carriage', bytes };
}

/** Where the first field that is no trace begins (spec carriage 4). */
function skipTrace(octets: Buffer): number | undefined {
  let at = 0;
  while (at <= maxTraceOctets) {
    const name = traceField.exec(octets.toString('latin1', at, at + maxFieldName))?.[0];
    if (name === undefined) return at;
    const end = fieldEnd(octets, at);
    if (end === undefined) return undefined;
    at = end;
  }
  return undefined;
}

/** Where the field that begins at `start` ends, its folded lines (RFC 5322 section 2.2.3) included. */
function fieldEnd(octets: Buffer, start: number): number | undefined {
  let end = start;
  do {
    const line = octets.indexOf('\r\n', end, 'latin1');
    if (line < 0 || line - start > maxTraceOctets) return undefined;
    end = line + 2;
  } while (octets[end] === space || octets[end] === tab);
  return end;
}

/** Whether a trace keeps to spec carriage 1.3. It begins with a field's name; what follows it is compared whole. */
function isPlain(trace: Buffer): boolean {
  let line = 0;
  for (const [at, octet] of trace.entries()) {
    if (octet === 0 || octet > 0x7f) return false;
    if ((octet === cr) !== (trace[at + 1] === lf)) return false;
    if (octet === lf) line = at + 1;
    else if (octet !== cr && at - line >= maxLineOctets) return false;
  }
  return true;
}

/** Where the body begins (spec carriage 2). */
function readHeader(octets: Buffer, start: number): number | undefined {
  const values = readValues(octets.toString('latin1', start, start + maxValuesOctets));
  if (values === undefined) return undefined;
  const header = Buffer.from(writeHeader(values), 'latin1');
  const end = start + header.length;
  return header.equals(octets.subarray(start, end)) ? end : undefined;
}

function readValues(header: string): HeaderValues | undefined {
  const { from, to, date, id } = headerValues.exec(header)?.groups ?? {};
  if (from === undefined || to === undefined || date === undefined || id === undefined) return undefined;
  if (!isDomain(from) || !isDomain(to)) return undefined;
  const hour = Date.parse(date) / 1000;
  return hour % 3600 === 0 ? { fromDomain: from, toDomain: to, hour, messageId: id } : undefined;
}

/** Buffer's decoder passes over what is no base64; writing the outcome again and comparing shows whether there was any. */
function readBody(body: Buffer, expectBytes: number): Uint8Array | undefined {
  const bytes = Buffer.from(body.toString('latin1'), 'base64');
  return bytes.length === expectBytes && writeBody(bytes).equals(body) ? bytes : undefined;
}

function refused(reason: CarriageRefusal): OpenedCarriage {
  return { kind: 'refused', reason };
}

/** Spec carriage 4.1. */
const traceField =
  /^(?:Received|Return-Path|Delivered-To|Delivery-date|Envelope-to|DKIM-Signature|DomainKey-Signature|Authentication-Results|ARC-(?:Seal|Message-Signature|Authentication-Results)|Received-SPF|X-[A-Za-z0-9-]{1,70}):/i;
const maxFieldName = 80;

const headerValues =
  /^From: <secure@(?<from>[a-z0-9.-]{1,253})>\r\nTo: <secure@(?<to>[a-z0-9.-]{1,253})>\r\nDate: (?<date>[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:00:00 \+0000)\r\nMessage-ID: <(?<id>[0-9a-f]{32})@/;
/** From, To, Date and the Message-ID's left side, with both domains at their longest. */
const maxValuesOctets = 700;

const cr = 0x0d;
const lf = 0x0a;
const space = 0x20;
const tab = 0x09;
