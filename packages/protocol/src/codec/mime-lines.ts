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

/** Byte after byte: a search that the engine is called for costs as much as hundreds of bytes, and a line may be none. */
function countAlone(bytes: Uint8Array): number {
  let alone = 0;
  let before = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if ((before === CR) !== (byte === LF)) alone++;
    before = byte;
  }
  return before === CR ? alone + 1 : alone;
}

const CR = 13;
const LF = 10;
