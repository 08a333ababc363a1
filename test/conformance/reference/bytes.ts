export type Bytes = Uint8Array;

export function cat(...parts: readonly Bytes[]): Bytes {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

/** `value` in `width` bytes, big-endian. */
export function uint(value: number, width: number): Bytes {
  const hex = value.toString(16).padStart(2 * width, '0');
  return Uint8Array.from({ length: width }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

export function number(bytes: Bytes): number {
  return Number(`0x${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`);
}

export function text(value: string): Bytes {
  return new TextEncoder().encode(value);
}

export function xor(a: Bytes, b: Bytes): Bytes {
  return a.map((byte, i) => byte ^ (b[i] ?? 0));
}

export function allZero(bytes: Bytes): boolean {
  return bytes.every((byte) => byte === 0);
}
