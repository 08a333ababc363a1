import {
  composite,
  compositePublicKeyBytes,
  compositeSignatureBytes,
  ed25519,
  sha256,
} from '../primitives/index.ts';
import { decodeBase64, encodeBase64 } from './base64.ts';
import { concat } from './bytes.ts';

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

/** A key that signs notes: Ed25519 for nodes, the composite of ML-DSA-65 and Ed25519 for authorities. */
export interface NoteKey {
  readonly name: string;
  readonly keyId: number;
  readonly algorithm: NoteAlgorithm;
  readonly publicKey: Uint8Array;
}

/** Who signs: a key, and what only its holder can do with it. */
export interface NoteSigner extends NoteKey {
  sign(message: Uint8Array): Uint8Array;
}

/** A key as it is handed around: what follows the key id is the type, and whatever the type says. */
export interface VerifierKey {
  readonly name: string;
  readonly keyId: number;
  readonly bytes: Uint8Array;
}

const mostSignatures = 64;
const utf8 = new TextEncoder();

export type NoteAlgorithm = 'ed25519' | 'composite';

/** How each algorithm is told apart in a key id (spec consensus 2.1), and the sizes that belong to it. */
const algorithms = {
  ed25519: { type: Uint8Array.of(0x01), publicKeyBytes: 32, signatureBytes: 64, scheme: ed25519 },
  composite: {
    type: concat(Uint8Array.of(0xff), utf8.encode('MLDSA65-Ed25519-SHA512')),
    publicKeyBytes: compositePublicKeyBytes,
    signatureBytes: compositeSignatureBytes,
    scheme: composite,
  },
} as const;

/** Reads a note of at most `maxLength` UTF-16 code units; undefined for what `formatNote` does not give: each part is read so strictly that one string stands for it. */
export function parseNote(signed: string, maxLength: number): Note | undefined {
  if (signed.length > maxLength || !isPlain(signed)) return undefined;
  const blank = signed.lastIndexOf('\n\n');
  if (blank < 1 || !signed.endsWith('\n')) return undefined;
  const lines = signed.slice(blank + 2, -1).split('\n');
  if (lines.length > mostSignatures) return undefined;
  const signatures = lines.map(parseSignature);
  if (!signatures.every((signature) => signature !== undefined)) return undefined;
  return { text: signed.slice(0, blank + 1), signatures };
}

/** The inverse of `parseNote`. */
export function formatNote({ text, signatures }: Note): string {
  const lines = signatures.map(
    ({ name, keyId, bytes }) => `\u2014 ${name} ${encodeBase64(withKeyId(keyId, bytes))}\n`,
  );
  return `${text}\n${lines.join('')}`;
}

/** Signs a text, which ends in a newline. */
export function signText(text: string, signer: NoteSigner): NoteSignature {
  return { name: signer.name, keyId: signer.keyId, bytes: signer.sign(utf8.encode(text)) };
}

/** The keys of `keys` that signed; a signature by one of them that does not hold spoils the note. Other signers are ignored. */
export type NoteVerdict<Key extends NoteKey> =
  | { readonly kind: 'checked'; readonly keys: Key[] }
  | { readonly kind: 'bad-signature'; readonly name: string };

export function checkSignatures<Key extends NoteKey>(note: Note, keys: readonly Key[]): NoteVerdict<Key> {
  const message = utf8.encode(note.text);
  const signed = new Set<Key>();
  for (const signature of note.signatures) {
    const known = keys.filter((key) => isBy(signature, key));
    if (known.length === 0) continue;
    // a key id has 32 bits: two keys of one name may share it
    const key = known.find((key) => holds(signature, message, key));
    if (key === undefined) return { kind: 'bad-signature', name: signature.name };
    signed.add(key);
  }
  return { kind: 'checked', keys: [...signed] };
}

/** Whether a signature claims to be by a key. */
export function isBy(signature: NoteSignature, key: Pick<NoteKey, 'name' | 'keyId'>): boolean {
  return signature.name === key.name && signature.keyId === key.keyId;
}

function holds({ bytes }: NoteSignature, message: Uint8Array, { algorithm, publicKey }: NoteKey): boolean {
  const { signatureBytes, scheme } = algorithms[algorithm];
  return bytes.length === signatureBytes && scheme.verify(bytes, message, publicKey);
}

/** A public key under a name. Throws a `RangeError` for one of another length. */
export function noteKey(algorithm: NoteAlgorithm, name: string, publicKey: Uint8Array): NoteKey {
  const { type, publicKeyBytes } = algorithms[algorithm];
  if (publicKey.length !== publicKeyBytes) throw new RangeError(`a key has ${publicKeyBytes} bytes`);
  return { name, keyId: keyIdOf(name, concat(type, publicKey)), algorithm, publicKey };
}

/** A private key, as its algorithm has it, under a name. */
export function noteSigner(algorithm: NoteAlgorithm, name: string, privateKey: Uint8Array): NoteSigner {
  const { scheme } = algorithms[algorithm];
  const key = noteKey(algorithm, name, scheme.publicKey(privateKey));
  return { ...key, sign: (message) => scheme.sign(message, privateKey) };
}

/** SHA-256(name ‖ 0x0A ‖ type and key), the first four bytes. */
function keyIdOf(name: string, bytes: Uint8Array): number {
  const digest = sha256(concat(utf8.encode(`${name}\n`), bytes));
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0);
}

/** A key name holds no space, no plus sign and no control character. */
export function isKeyName(name: string): boolean {
  return name.length <= 255 && isPlain(name) && /^[^\s\u0085+]+$/.test(name);
}

/** `name+keyid+base64(type and key)` → what it says, at most 96 bytes. Undefined for anything else. */
export function parseVerifierKey(text: string): VerifierKey | undefined {
  const [, name, keyId, encoded] = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]{1,128})$/.exec(text) ?? [];
  if (name === undefined || encoded === undefined || !isKeyName(name)) return undefined;
  const bytes = decodeBase64(encoded);
  if (bytes === undefined || keyIdOf(name, bytes) !== Number.parseInt(keyId ?? '', 16)) return undefined;
  return { name, keyId: keyIdOf(name, bytes), bytes };
}

/** The inverse of `parseVerifierKey`. */
export function formatVerifierKey(name: string, bytes: Uint8Array): string {
  return `${name}+${keyIdOf(name, bytes).toString(16).padStart(8, '0')}+${encodeBase64(bytes)}`;
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
