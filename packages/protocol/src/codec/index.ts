export { decodeBase64, encodeBase64 } from './base64.ts';
export { ByteReader, ByteWriter, concat, decodeBytes, equalBytes } from './bytes.ts';
export { decodeHex, encodeHex } from './hex.ts';
export { decodeJson, encodeJson } from './json.ts';
export {
  checkSignatures,
  formatNote,
  formatVerifierKey,
  type Note,
  type NoteAlgorithm,
  type NoteKey,
  type NoteSignature,
  type NoteSigner,
  type NoteVerdict,
  noteKey,
  noteSigner,
  parseNote,
  parseVerifierKey,
  signText,
  type VerifierKey,
} from './note.ts';
