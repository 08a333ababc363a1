/**
 * A header field in relaxed canonicalization (RFC 6376 section 3.4.2), without its line end: `raw` is the field as it
 * stands, an octet a character.
 */
export function relaxedField(raw: string): string {
  const colon = raw.indexOf(':');
  const name = raw.slice(0, colon).replace(/[ \t]+$/, '');
  const value = raw
    .slice(colon + 1)
    .replaceAll('\r\n', '')
    .replaceAll(/[ \t]+/g, ' ');
  return `${name.toLowerCase()}:${value.replace(/^ /, '').replace(/ $/, '')}`;
}

/** A body in relaxed canonicalization (RFC 6376 section 3.4.4), an octet a character. */
export function relaxedBody(body: string): string {
  const lines = body
    .replaceAll(/[ \t]+/g, ' ')
    .replaceAll(' \r\n', '\r\n')
    .replace(/ $/, '');
  let end = lines.length;
  while (end >= 2 && lines.startsWith('\r\n', end - 2)) end -= 2;
  return end === 0 ? '' : `${lines.slice(0, end)}\r\n`;
}
