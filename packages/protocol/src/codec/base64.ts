/** RFC 4648 section 4 base64, padded, on one line. */
export function encodeBase64(bytes: Uint8Array): string {
  const chunks: string[] = [];
  // fromCharCode takes its characters as arguments, and the stack is finite
  for (let at = 0; at < bytes.length; at += 8192) {
    chunks.push(String.fromCharCode(...bytes.subarray(at, at + 8192)));
  }
  return btoa(chunks.join(''));
}

/**
 * The bytes of one line of padded base64; undefined for anything else. Exactly one text stands for each byte string:
 * no white space, no missing or extra padding, no bits that the padding cuts off.
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const spare = text.endsWith('==') ? 0x0f : text.endsWith('=') ? 0x03 : 0;
  const last = alphabet.indexOf(text.replace(/=+$/, '').at(-1) ?? 'A');
  if ((last & spare) !== 0) return undefined;
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < bytes.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
