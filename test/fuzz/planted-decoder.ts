/** Four bytes, of which each is looked at only when the one before is right: chance alone would try some four thousand million times. */
export function decode(input: Uint8Array): string {
  if (input[0] !== 0xf7) return 'first';
  if (input[1] !== 0x13) return 'second';
  if (input[2] !== 0xa9) return 'third';
  if (input[3] !== 0x5c) return 'fourth';
  throw new TypeError('found');
}
