/**
 * Where the next CR or LF stands from `from` on, or -1. Looks at four octets at a time: lines are short, and a call of Buffer's search for each
 * of them costs more than its octets.
 */
export function nextBreak(octets: DataView, from: number): number {
  const end = octets.byteLength;
  let at = from;
  for (; at <= end - 4; at += 4) {
    if (!mayHaveBreak(octets.getInt32(at, true))) continue;
    for (let one = at; one < at + 4; one++) if (isBreak(octets.getUint8(one))) return one;
  }
  for (; at < end; at++) if (isBreak(octets.getUint8(at))) return at;
  return -1;
}

export function viewOf({ buffer, byteOffset, length }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, length);
}

/** Whether any of four octets is less than 14 (Anderson, Bit Twiddling Hacks: "Determine if a word has a byte less than n"). */
function mayHaveBreak(word: number): boolean {
  return ((word - 0x0e0e0e0e) & ~word & 0x80808080) !== 0;
}

function isBreak(octet: number): boolean {
  return octet === 0x0d || octet === 0x0a;
}
