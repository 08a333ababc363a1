import { octets } from './mime-header.ts';

/**
 * The parts of a multipart body with CRLF line ends (RFC 2046 section 5.1.1): views, each without the CRLF that belongs to the delimiter
 * behind it. Undefined unless there are exactly `count`, the last one is closed, and no delimiter comes after that. What stands in front of the first
 * and behind the last is for nobody.
 */
export function splitParts(body: Uint8Array, boundary: string, count: number): Uint8Array[] | undefined {
  if (!boundaryText.test(boundary)) return undefined;
  const delimiter = octets(`--${boundary}`);
  const parts: Uint8Array[] = [];
  let partAt: number | undefined;
  let closed = false;
  for (let at = 0; at < body.length; ) {
    const kind = delimiterKind(body, at, delimiter);
    const next = behindLine(body, at);
    if (kind !== 'none') {
      if (closed || parts.length > count) return undefined;
      if (partAt !== undefined) parts.push(body.subarray(partAt, Math.max(partAt, at - 2)));
      closed = kind === 'close';
      partAt = next;
    }
    at = next;
  }
  return closed && parts.length === count ? parts : undefined;
}

/** What the line that begins there is. No view, string or search for a line: many lines are shorter than what one of those costs. */
function delimiterKind(body: Uint8Array, lineAt: number, delimiter: Uint8Array): 'none' | 'open' | 'close' {
  for (let at = 0; at < delimiter.length; at++) if (body[lineAt + at] !== delimiter[at]) return 'none';
  const restAt = lineAt + delimiter.length;
  const closes = body[restAt] === HYPHEN && body[restAt + 1] === HYPHEN;
  const end = behindBlanks(body, closes ? restAt + 2 : restAt);
  // One that the body's end cuts off counts as well: another program may take it for one.
  const ended = end === body.length || (body[end] === CR && body[end + 1] === LF);
  if (!ended) return 'none';
  return closes ? 'close' : 'open';
}

function behindBlanks(body: Uint8Array, start: number): number {
  let at = start;
  while (body[at] === SPACE || body[at] === TAB) at++;
  return at;
}

function behindLine(body: Uint8Array, start: number): number {
  let at = start;
  while (at < body.length && body[at] !== LF) at++;
  return Math.min(at + 1, body.length);
}

/** RFC 2046 section 5.1.1. */
const boundaryText = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;
const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const HYPHEN = 45;
