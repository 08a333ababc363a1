export { decodeBase64, encodeBase64 } from './base64.ts';
export { ByteReader, ByteWriter, concat, decodeBytes, equalBytes } from './bytes.ts';
export { decodeHex, encodeHex } from './hex.ts';
export { decodeJson, encodeJson } from './json.ts';
export {
  checkSignatures,
  formatNote,
  formatNoteKey,
  type Note,
  type NoteKey,
  type NoteSignature,
  type NoteSigner,
  type NoteVerdict,
  noteKey,
  parseNote,
  parseNoteKey,
  signText,
} from './note.ts';
