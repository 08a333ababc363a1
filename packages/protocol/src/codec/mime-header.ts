/*
 * Header sections of messages and MIME entities (RFC 5322 section 2.2), read so that no other program can see other fields in the same
 * bytes, or it is refused.
 */

export interface HeaderField {
  /** As it is written. */
  readonly name: string;
  /** All between the colon and the end of the field, folds included; a character for each byte. */
  readonly value: string;
  /** Where the field lies in the bytes: from its name to behind its last CRLF. */
  readonly start: number;
  readonly end: number;
}

export type ParsedHeader =
  | {
      readonly kind: 'header';
      readonly fields: readonly HeaderField[];
      /** Where the body begins, behind the empty line; the length when there is none. */
      readonly bodyAt: number;
    }
  | { readonly kind: 'refused'; readonly reason: HeaderRefusedReason };

export type HeaderRefusedReason =
  /** A line that is no field, a CR or LF alone, a NUL, a folded line of nothing but blanks. */
  'malformed-header' | 'header-too-large';

// spec sealed 2.1
/** The fields of a message, in order. No input makes it throw; the time is linear in the header's length. */
export function parseHeader(message: Uint8Array): ParsedHeader {
  const end = endOfHeader(message);
  if (end === undefined) return { kind: 'refused', reason: 'header-too-large' };
  const fields: HeaderField[] = [];
  let lines: Line[] = [];
  for (const line of linesOf(message, end.fieldsEnd)) {
    if (isBroken(line.text)) return { kind: 'refused', reason: 'malformed-header' };
    if (/^[ \t]/.test(line.text) && lines.length > 0) {
      lines.push(line);
      continue;
    }
    if (!addField(fields, lines)) return { kind: 'refused', reason: 'malformed-header' };
    if (fields.length >= mostHeaderFields) return { kind: 'refused', reason: 'header-too-large' };
    lines = [line];
  }
  if (!addField(fields, lines)) return { kind: 'refused', reason: 'malformed-header' };
  return { kind: 'header', fields, bodyAt: end.bodyAt };
}

/** Fields of that name, written in whatever case. */
export function fieldsNamed(fields: readonly HeaderField[], name: string): HeaderField[] {
  const wanted = name.toLowerCase();
  return fields.filter((field) => field.name.toLowerCase() === wanted);
}

/** Whether one of the names occurs more than once. */
export function hasRepeated(fields: readonly HeaderField[], names: readonly string[]): boolean {
  return names.some((name) => fieldsNamed(fields, name).length > 1);
}

/** Largest header section, in bytes. */
const mostHeaderBytes = 524_288;

/** And in fields. */
export const mostHeaderFields = 4_096;

interface Line {
  readonly text: string;
  readonly start: number;
  /** Behind its CRLF. */
  readonly end: number;
}

function endOfHeader(message: Uint8Array): { fieldsEnd: number; bodyAt: number } | undefined {
  if (message[0] === CR && message[1] === LF) return { fieldsEnd: 0, bodyAt: 2 };
  const limit = Math.min(message.length, mostHeaderBytes);
  for (let at = message.indexOf(LF); at !== -1 && at < limit; at = message.indexOf(LF, at + 1)) {
    if (message[at + 1] === CR && message[at + 2] === LF) return { fieldsEnd: at + 1, bodyAt: at + 3 };
  }
  return message.length > mostHeaderBytes ? undefined : { fieldsEnd: message.length, bodyAt: message.length };
}

function* linesOf(message: Uint8Array, end: number): Generator<Line> {
  for (let start = 0; start < end; ) {
    const feed = message.indexOf(LF, start);
    const next = feed === -1 || feed >= end ? end : feed + 1;
    const ended = next - start >= 2 && message[next - 1] === LF && message[next - 2] === CR;
    yield { text: characters(message.subarray(start, ended ? next - 2 : next)), start, end: next };
    start = next;
  }
}

/** Nothing to add is no flaw. */
function addField(fields: HeaderField[], lines: readonly Line[]): boolean {
  const [first, last] = [lines[0], lines.at(-1)];
  if (first === undefined || last === undefined) return true;
  const [, name] = /^([\x21-\x39\x3b-\x7e]+):/.exec(first.text) ?? [];
  if (name === undefined) return false;
  const text = lines.map((line) => line.text).join('\r\n');
  fields.push({ name, value: text.slice(name.length + 1), start: first.start, end: last.end });
  return true;
}

function isBroken(line: string): boolean {
  return /[\r\n\0]/.test(line) || /^[ \t]+$/.test(line);
}

/** One character for each byte. */
export function characters(bytes: Uint8Array): string {
  const chunks: string[] = [];
  for (let at = 0; at < bytes.length; at += 8192)
    chunks.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  return chunks.join('');
}

/** The bytes that `characters` came from. */
export function octets(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at++) bytes[at] = text.charCodeAt(at);
  return bytes;
}

const CR = 13;
const LF = 10;
