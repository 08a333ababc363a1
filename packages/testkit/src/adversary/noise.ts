/**
 * Whether an occurrence may well be chance. A packet is random bytes, and three letters turn up in megabytes of them; so an
 * occurrence counts when so much like it is not to be expected once in 2¹⁸ searches of as many random bytes. Every byte of
 * the occurrence counts as evidence, and so do printable neighbours, among which random bytes do not stand.
 */
export function isNoise(data: Uint8Array, start: number, end: number): boolean {
  const surroundings = look(data, start, end);
  let bits = 0;
  for (let at = start; at < end; at++) bits += surroundings.bitsOf(data[at] ?? 0);
  return bits + surroundings.neighbourBits < unlikely + Math.log2(data.length);
}

const unlikely = 18;

interface Surroundings {
  /** How unlikely a byte is there by chance, letters without case, as bits. */
  bitsOf(byte: number): number;
  readonly neighbourBits: number;
}

function look(data: Uint8Array, start: number, end: number): Surroundings {
  const left = stretch(data, start - 1, -1);
  const right = stretch(data, end, 1);
  const around = [...data.subarray(left + 1, right)];
  if (isHexText(around)) return { bitsOf: (byte) => (isHex(byte) ? 4 : 8), neighbourBits: 0 };
  if (isBase64Text(around)) {
    const delimiters = [data[start - 1], data[end]].filter(
      (byte) => byte !== undefined && !isAlphanumeric(byte),
    );
    return { bitsOf: (byte) => (isLetter(byte) ? 5 : 6), neighbourBits: 5 * delimiters.length };
  }
  return {
    bitsOf: (byte) => (isLetter(byte) ? 7 : 8),
    neighbourBits: context(data, start - 1, -1) + context(data, end, 1),
  };
}

/** Bits that the neighbours on one side add: up to 12 of them, up to the first that a random byte could as well be. */
function context(data: Uint8Array, from: number, step: 1 | -1): number {
  let bits = 0;
  for (let count = 0, at = from; count < 12; count++, at += step) {
    const byte = data[at];
    if (byte === undefined) break;
    if (byte === 0) bits += 8;
    else if ((byte >= 0x20 && byte < 0x7f) || byte === 0x0a || byte === 0x0d || byte === 0x09) bits += 1.38;
    else break;
  }
  return bits;
}

/** Where, seen from `from`, the base64 alphabet and line ends end; at most 64 bytes on. */
function stretch(data: Uint8Array, from: number, step: 1 | -1): number {
  let at = from;
  for (let count = 0; count < 64 && at >= 0 && at < data.length && isBase64(data[at] ?? 0); count++)
    at += step;
  return at;
}

/** Random base64 is two fifths capitals and a sixth digits; words and paths are not. */
function isBase64Text(around: readonly number[]): boolean {
  if (around.length < 40) return false;
  const capitals = around.filter((byte) => byte >= 0x41 && byte <= 0x5a).length;
  const digits = around.filter((byte) => byte >= 0x30 && byte <= 0x39).length;
  return capitals > around.length / 5 && digits > around.length / 20;
}

function isHexText(around: readonly number[]): boolean {
  return around.length >= 32 && around.every(isHex);
}

function isHex(byte: number): boolean {
  return (byte >= 0x30 && byte <= 0x39) || ((byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x66);
}

function isLetter(byte: number): boolean {
  return (byte | 0x20) >= 0x61 && (byte | 0x20) <= 0x7a;
}

function isAlphanumeric(byte: number): boolean {
  return isLetter(byte) || (byte >= 0x30 && byte <= 0x39);
}

const otherBase64 = new Set(Buffer.from('+/=-_\r\n'));

function isBase64(byte: number): boolean {
  return isAlphanumeric(byte) || otherBase64.has(byte);
}
