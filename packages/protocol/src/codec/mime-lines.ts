/**
 * The same text with CRLF behind each line: a CR or LF that stands alone ends a line as well. What is so already comes back as it is.
 */
export function toCrlf(bytes: Uint8Array): Uint8Array {
  const missing = countAlone(bytes);
  if (missing === 0) return bytes;
  const text = new Uint8Array(bytes.length + missing);
  let to = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === LF) text[to++] = CR;
    text[to++] = byte === LF ? LF : (byte ?? 0);
    if (byte === CR) {
      text[to++] = LF;
      if (bytes[at + 1] === LF) at++;
    }
  }
  return text;
}

/** By the engine's own search: most messages have nothing to change, and some are long. */
function countAlone(bytes: Uint8Array): number {
  let alone = 0;
  for (let at = bytes.indexOf(LF); at !== -1; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at - 1] !== CR) alone++;
  }
  for (let at = bytes.indexOf(CR); at !== -1; at = bytes.indexOf(CR, at + 1)) {
    if (bytes[at + 1] !== LF) alone++;
  }
  return alone;
}

const CR = 13;
const LF = 10;
