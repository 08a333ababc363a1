import { isDomain } from '../address.ts';
import { maxLineOctets } from '../server/data.ts';
import { readAccountBody, readAccountHeader } from './account.ts';
import { type HeaderValues, readBody, view, writeHeader } from './shape.ts';

/**
 * - `trace`: what stands on top is not a trace of mail servers (spec carriage 4), or is longer than `maxTraceOctets`
 * - `loop`: more than `maxReceivedFields` servers have had it (spec carriage 4.4)
 * - `header`: neither the eight fields byte for byte (spec carriage 2), nor those of a carriage from an account (spec carriage 6)
 * - `body`: not the base64 of as many bytes as were expected (spec carriage 3, 6.3)
 */
export type CarriageRefusal = 'trace' | 'loop' | 'header' | 'body';

export type OpenedCarriage =
  | {
      readonly kind: 'carriage';
      readonly bytes: Uint8Array;
      /** Left side of the Message-ID: 16 bytes in lower-case hex. */
      readonly id: string;
      /** Domain that handed over: what the carriage says, which anybody can write. */
      readonly fromDomain: string;
      readonly toDomain: string;
      /** Whether it may go on without verified TLS (RFC 8689 section 5): exactly one `TLS-Required`, and that says `No`. */
      readonly tlsOptional: boolean;
    }
  /** From an account at a provider that knows nothing of Postern (spec carriage 6). Whose it is does not come out. */
  | {
      readonly kind: 'account';
      readonly bytes: Uint8Array;
      readonly toDomain: string;
      readonly tlsOptional: boolean;
    }
  | { readonly kind: 'refused'; readonly reason: CarriageRefusal };

/** Longest trace that other mail servers may have put on top, in octets (spec carriage 4.3). */
export const maxTraceOctets = 16_384;

/** Servers that a carriage may have been through before it counts as going round in a loop (RFC 5321 section 6.3). */
export const maxReceivedFields = 50;

/**
 * Takes the bytes out of a carriage. Never throws. Everything but the trace must be exactly what `makeCarriage` writes
 * for some domains, hour and Message-ID: it is read, and its header written again and compared, so there is one way to write each. Only
 * one from an account may look otherwise, and it is told by its `From`: no message is both.
 *
 * @param expectBytes how many bytes the carriage must hold
 */
export function openCarriage(message: Uint8Array, expectBytes: number): OpenedCarriage {
  const octets = view(message);
  const trace = readTrace(octets);
  if (trace === undefined || !isPlain(octets.subarray(0, trace.end))) return refused('trace');
  if (trace.received > maxReceivedFields) return refused('loop');
  const header = readHeader(octets, trace.end);
  if (header === undefined) return openFromAccount(octets, expectBytes);
  const bytes = readBody(octets.subarray(header.end), expectBytes);
  if (bytes === undefined) return refused('body');
  const { messageId: id, fromDomain, toDomain } = header.values;
  return { kind: 'carriage', bytes, id, fromDomain, toDomain, tlsOptional: saysNo(trace.tlsRequired) };
}

// spec carriage 6
function openFromAccount(octets: Buffer, expectBytes: number): OpenedCarriage {
  const header = readAccountHeader(octets);
  if (header === undefined) return refused('header');
  const { toDomain, tlsRequired, received, end } = header;
  if (received > maxReceivedFields) return refused('loop');
  const bytes = readAccountBody(octets.subarray(end), expectBytes);
  if (bytes === undefined) return refused('body');
  return { kind: 'account', bytes, toDomain, tlsOptional: saysNo(tlsRequired) };
}

interface Trace {
  /** Where the first field that is no trace begins. */
  readonly end: number;
  /** Number of `Received` fields. */
  readonly received: number;
  /** Each `TLS-Required` field, whole. */
  readonly tlsRequired: readonly string[];
}

/** Passes over the trace (spec carriage 4). */
function readTrace(octets: Buffer): Trace | undefined {
  let at = 0;
  let received = 0;
  const tlsRequired: string[] = [];
  while (at <= maxTraceOctets) {
    const name = traceField.exec(octets.toString('latin1', at, at + maxFieldName))?.[0].toLowerCase();
    if (name === undefined) return { end: at, received, tlsRequired };
    const end = fieldEnd(octets, at);
    if (end === undefined) return undefined;
    if (name === 'received:') received += 1;
    if (name === 'tls-required:') tlsRequired.push(octets.toString('latin1', at, end));
    at = end;
  }
  return undefined;
}

/** Two fields, or another value, leave TLS required: of two readings, the strict one. */
function saysNo(tlsRequired: readonly string[]): boolean {
  return tlsRequired.length === 1 && /^TLS-Required:[ \t]*No[ \t]*\r\n$/i.test(tlsRequired[0] ?? '');
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

/** The values of the header and where the body begins (spec carriage 2). */
function readHeader(octets: Buffer, start: number): { values: HeaderValues; end: number } | undefined {
  const values = readValues(octets.toString('latin1', start, start + maxValuesOctets));
  if (values === undefined) return undefined;
  const header = Buffer.from(writeHeader(values), 'latin1');
  const end = start + header.length;
  return header.equals(octets.subarray(start, end)) ? { values, end } : undefined;
}

function readValues(header: string): HeaderValues | undefined {
  const { from, to, date, id } = headerValues.exec(header)?.groups ?? {};
  if (from === undefined || to === undefined || date === undefined || id === undefined) return undefined;
  if (!isDomain(from) || !isDomain(to)) return undefined;
  const hour = Date.parse(date) / 1000;
  return hour % 3600 === 0 ? { fromDomain: from, toDomain: to, hour, messageId: id } : undefined;
}

function refused(reason: CarriageRefusal): OpenedCarriage {
  return { kind: 'refused', reason };
}

/** Spec carriage 4.1. */
const traceField =
  /^(?:Received|Return-Path|Delivered-To|Delivery-date|Envelope-to|DKIM-Signature|DomainKey-Signature|Authentication-Results|ARC-(?:Seal|Message-Signature|Authentication-Results)|Received-SPF|TLS-Required|X-[A-Za-z0-9-]{1,70}):/i;
const maxFieldName = 80;

const headerValues =
  /^From: <secure@(?<from>[a-z0-9.-]{1,253})>\r\nTo: <secure@(?<to>[a-z0-9.-]{1,253})>\r\nDate: (?<date>[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:00:00 \+0000)\r\nMessage-ID: <(?<id>[0-9a-f]{32})@/;
/** From, To, Date and the Message-ID's left side, with both domains at their longest. */
const maxValuesOctets = 700;

const cr = 0x0d;
const lf = 0x0a;
const space = 0x20;
const tab = 0x09;
