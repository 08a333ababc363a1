import { ed25519, sha256 } from '../primitives/index.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';

/** One signature line of a note. */
export interface NoteSignature {
  /** The signing key's name. */
  readonly name: string;
  /** Unsigned 32 bits; with the name it tells keys apart. */
  readonly keyId: number;
  readonly bytes: Uint8Array;
}

/** A signed note (C2SP signed-note): text that ends in a newline, and at least one signature over its UTF-8. */
export interface Note {
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** A verifier key of type 0x01, Ed25519. */
export interface NoteKey {
  readonly name: string;
  readonly keyId: number;
  readonly publicKey: Uint8Array;
}

/** Who signs: a key's name and its Ed25519 seed of 32 bytes. */
export interface NoteSigner {
  readonly name: string;
  readonly seed: Uint8Array;
}

const ed25519Type = 1;
const mostSignatures = 64;
const utf8 = new TextEncoder();

/** Reads a note of at most `maxLength` UTF-16 code units; undefined unless `formatNote` gives the same string back. */
export function parseNote(signed: string, maxLength: number): Note | undefined {
  if (signed.length > maxLength || !isPlain(signed)) return undefined;
  const blank = signed.lastIndexOf('\n\n');
  if (blank < 1 || !signed.endsWith('\n')) return undefined;
  const lines = signed.slice(blank + 2, -1).split('\n');
  if (lines.length > mostSignatures) return undefined;
  const signatures = lines.map(parseSignature);
  if (!signatures.every((signature) => signature !== undefined)) return undefined;
  const note = { text: signed.slice(0, blank + 1), signatures };
  return formatNote(note) === signed ? note : undefined;
}

/** The inverse of `parseNote`. */
export function formatNote({ text, signatures }: Note): string {
  const lines = signatures.map(
    ({ name, keyId, bytes }) => `\u2014 ${name} ${encodeBase64(withKeyId(keyId, bytes))}\n`,
  );
  return `${text}\n${lines.join('')}`;
}

/** Signs a text, which ends in a newline. */
export function signText(text: string, { name, seed }: NoteSigner): NoteSignature {
  const { keyId } = noteKey(name, ed25519.publicKey(seed));
  return { name, keyId, bytes: ed25519.sign(utf8.encode(text), seed) };
}

/** The keys of `keys` that signed; a signature by one of them that does not hold spoils the note. Other signers are ignored. */
export type NoteVerdict =
  | { readonly kind: 'checked'; readonly keys: NoteKey[] }
  | { readonly kind: 'bad-signature'; readonly name: string };

export function checkSignatures(note: Note, keys: readonly NoteKey[]): NoteVerdict {
  const message = utf8.encode(note.text);
  const signed = new Set<NoteKey>();
  for (const { name, keyId, bytes } of note.signatures) {
    const key = keys.find((known) => known.name === name && known.keyId === keyId);
    if (key === undefined) continue;
    if (bytes.length !== 64 || !ed25519.verify(bytes, message, key.publicKey))
      return { kind: 'bad-signature', name };
    signed.add(key);
  }
  return { kind: 'checked', keys: [...signed] };
}

/** The verifier key of an Ed25519 public key under a name. */
export function noteKey(name: string, publicKey: Uint8Array): NoteKey {
  const digest = sha256(Uint8Array.of(...utf8.encode(name), 0x0a, ed25519Type, ...publicKey));
  return { name, keyId: new DataView(digest.buffer, digest.byteOffset).getUint32(0), publicKey };
}

/** A key name holds no space, no plus sign and no control character. */
export function isKeyName(name: string): boolean {
  return name.length <= 255 && isPlain(name) && /^[^\s\u0085+]+$/.test(name);
}

/** `name+keyid+base64(type ‖ key)` → key. Undefined for anything else, other key types included. */
export function parseNoteKey(text: string): NoteKey | undefined {
  const [, name, keyId, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,128})$/.exec(text) ?? [];
  if (name === undefined || encoded === undefined || !isKeyName(name)) return undefined;
  const bytes = decodeBase64(encoded);
  if (bytes?.length !== 33 || bytes[0] !== ed25519Type) return undefined;
  const key = noteKey(name, bytes.slice(1));
  return key.keyId === Number.parseInt(keyId ?? '', 16) ? key : undefined;
}

/** The inverse of `parseNoteKey`. */
export function formatNoteKey({ name, keyId, publicKey }: NoteKey): string {
  const hex = keyId.toString(16).padStart(8, '0');
  return `${name}+${hex}+${encodeBase64(Uint8Array.of(ed25519Type, ...publicKey))}`;
}

function parseSignature(line: string): NoteSignature | undefined {
  const [dash, name, encoded, ...rest] = line.split(' ');
  if (dash !== '\u2014' || name === undefined || encoded === undefined || rest.length > 0) return undefined;
  const bytes = decodeBase64(encoded);
  if (bytes === undefined || bytes.length < 5 || !isKeyName(name)) return undefined;
  const keyId = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0);
  return { name, keyId, bytes: bytes.slice(4) };
}

function withKeyId(keyId: number, bytes: Uint8Array): Uint8Array {
  const whole = new Uint8Array(4 + bytes.length);
  new DataView(whole.buffer).setUint32(0, keyId);
  whole.set(bytes, 4);
  return whole;
}

/** Well-formed, and no control character but the newline. */
function isPlain(text: string): boolean {
  return text.isWellFormed() && !/[^\n -\u{10ffff}]/u.test(text);
}
