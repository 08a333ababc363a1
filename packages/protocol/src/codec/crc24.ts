/** The checksum of ASCII armor (RFC 9580 section 6.1.1), a number of 24 bits. It guards nothing here: old programs want it. */
export function crc24(bytes: Uint8Array): number {
  let crc = 0xb704ce;
  for (const byte of bytes) crc = ((crc << 8) ^ (table[(crc >> 16) ^ byte] ?? 0)) & 0xffffff;
  return crc;
}

const polynomial = 0x864cfb;

const table: Uint32Array = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 16;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x800000 ? (crc << 1) ^ polynomial : crc << 1;
  return crc & 0xffffff;
});
