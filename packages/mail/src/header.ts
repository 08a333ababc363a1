/** One field of a header (RFC 5322 section 2.2), an octet a character. */
export interface Field {
  /** In lower case. */
  readonly name: string;
  /** What stands behind the colon: unfolded, without white space around it. */
  readonly value: string;
  /** As it stands, line ends included. */
  readonly raw: string;
}

export interface Header {
  readonly fields: readonly Field[];
  /** Where the body begins: behind the empty line, or at the end of what was given. */
  readonly end: number;
}

/**
 * Reads the header that begins at `start`. Lines end in CRLF, or in LF alone as mail lies in a Maildir. Never throws;
 * linear in what it reads, and reads no more than `limit` octets.
 *
 * @returns undefined for what is no header, or a longer one
 */
export function readHeader(octets: Buffer, start: number, limit: number): Header | undefined {
  const text = octets.toString('latin1', start, start + limit);
  const whole = start + text.length >= octets.length;
  const fields: string[] = [];
  let at = 0;
  while (at < text.length) {
    const lf = text.indexOf('\n', at);
    if (lf < 0 && !whole) return undefined;
    const next = lf < 0 ? text.length : lf + 1;
    const line = text.slice(at, next);
    if (line === '\r\n' || line === '\n') return finished(fields, start + next);
    if (!isWhiteSpace(line[0])) fields.push(line);
    else if (fields.length === 0) return undefined;
    else fields[fields.length - 1] += line;
    at = next;
  }
  return whole ? finished(fields, start + at) : undefined;
}

/** The one field of that name; undefined when there is none or several, of which one cannot know which counts. */
export function onlyField(fields: readonly Field[], name: string): Field | undefined {
  const found = fields.filter((field) => field.name === name);
  return found.length === 1 ? found[0] : undefined;
}

function finished(raws: readonly string[], end: number): Header | undefined {
  const fields = raws.map(readField).filter((field) => field !== undefined);
  return fields.length === raws.length ? { fields, end } : undefined;
}

/** The obsolete white space before the colon (RFC 5322 section 4.5.8) is taken: others take it, and read a field of that name. */
function readField(raw: string): Field | undefined {
  const colon = raw.indexOf(':');
  const name = trimEnd(raw.slice(0, Math.max(colon, 0)));
  if (!fieldName.test(name)) return undefined;
  const value = trimEnd(raw.slice(colon + 1).replaceAll(/\r?\n/g, '')).replace(/^[ \t]+/, '');
  return { name: name.toLowerCase(), value, raw };
}

/** `trim` would take octets above 127 with it, and an expression for the end of a text is quadratic. */
function trimEnd(text: string): string {
  let end = text.length;
  while (end > 0 && isWhiteSpace(text[end - 1])) end -= 1;
  return text.slice(0, end);
}

function isWhiteSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t';
}

const fieldName = /^[!-9;-~]+$/;
