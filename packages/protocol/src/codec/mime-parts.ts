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
    const feed = body.indexOf(LF, at);
    const next = feed === -1 ? body.length : feed + 1;
    const kind = delimiterKind(body.subarray(at, next), delimiter);
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

function delimiterKind(line: Uint8Array, delimiter: Uint8Array): 'none' | 'open' | 'close' {
  if (line[0] !== HYPHEN || !delimiter.every((byte, i) => line[i] === byte)) return 'none';
  const rest = String.fromCharCode(...line.subarray(delimiter.length, delimiter.length + 80));
  if (/^[ \t]*\r\n$/.test(rest)) return 'open';
  return /^--[ \t]*(?:\r\n)?$/.test(rest) ? 'close' : 'none';
}

/** RFC 2046 section 5.1.1. */
const boundaryText = /^[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]$/;
const LF = 10;
const HYPHEN = 45;
