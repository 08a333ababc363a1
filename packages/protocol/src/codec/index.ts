export { decodeBase64, encodeBase64 } from './base64.ts';
export { ByteReader, ByteWriter, concat, decodeBytes, equalBytes } from './bytes.ts';
export { decodeHex, encodeHex } from './hex.ts';
