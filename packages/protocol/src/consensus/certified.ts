import {
  checkSignatures,
  formatNote,
  isBy,
  type Note,
  type NoteSignature,
  type NoteSigner,
  parseNote,
  signText,
} from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import type { AuthorityKey } from './authorities.ts';
import { covers, type SigningKey, type VerifiedCertificate, verifyCertificate } from './certificate.ts';
import { maxAuthorities, maxCertificateLength } from './documents.ts';
import { compareText } from './shape.ts';

/** Who signs for an authority, and the certificate of the key, as a note. */
export interface CertifiedSigner extends NoteSigner {
  readonly certificate: string;
}

/** A note as authorities send it to each other: under one signature of each that has signed it, each with the certificate of its key (spec agreement 3.2). */
export interface CertifiedNote {
  readonly text: string;
  /** Ascending by name; each holds. */
  readonly signatures: readonly CertifiedSignature[];
}

export interface CertifiedSignature {
  readonly name: string;
  readonly signature: NoteSignature;
  readonly certificate: string;
  readonly key: SigningKey;
}

/** By what a certified note is read: nothing but this and the note decides whether it holds. */
export interface CertifiedReader {
  readonly authorities: readonly AuthorityKey[];
  /** Remembers what was verified before; without it each certificate is verified. */
  readonly readCertificate?: typeof verifyCertificate;
}

export type CertifiedReading =
  | { readonly kind: 'certified'; readonly note: CertifiedNote }
  | {
      readonly kind: 'refused';
      readonly reason: 'oversized' | 'malformed' | 'uncertified' | 'bad-signature';
      readonly detail: string;
    };

/** Characters of one signature line, for a name of the longest. */
const signatureLength = 5_120;

/** Characters that the signatures of all authorities may take. */
export const signaturesLength: number = maxAuthorities * signatureLength;

const origin = 'postern.certificate/v1\n';
const certificatesLength = maxAuthorities * (maxCertificateLength + 1);

/** Most characters of a certified note whose text has at most so many. */
export function certifiedLength(maxTextLength: number): number {
  return maxTextLength + 1 + signaturesLength + certificatesLength;
}

/** A text, which ends in a newline, under the signature of one. */
export function signCertified(text: string, signer: CertifiedSigner): string {
  return formatParts([partOf(text, signer)], text);
}

/** Adds a signature, unless that authority has signed. Throws `ProtocolError` `wrong-document` for what is no certified note. */
export function countersign(signed: string, signer: CertifiedSigner): string {
  const parts = parseCertified(signed, Number.POSITIVE_INFINITY);
  if (parts === undefined) throw new ProtocolError('wrong-document', 'this is no certified note');
  if (parts.parts.some(({ signature }) => signature.name === signer.name)) return signed;
  return formatParts([...parts.parts, partOf(parts.text, signer)], parts.text);
}

/** Text of a certified note, and the names of those who are said to have signed it; undefined when it is none. */
export function claimsIn(
  signed: string,
  maxTextLength: number,
): { readonly text: string; readonly names: readonly string[] } | undefined {
  const parsed = parseCertified(signed, maxTextLength);
  return parsed && { text: parsed.text, names: parsed.parts.map(({ signature }) => signature.name) };
}

/**
 * Verifies each signature, by a key whose certificate is for a time, Unix seconds, or for any. One that does not hold, or a second one of an authority, spoils the note: whoever
 * has taken it has passed on nothing of the kind.
 */
export function readCertified(
  signed: string,
  maxTextLength: number,
  { authorities, readCertificate = verifyCertificate }: CertifiedReader,
  at?: number,
): CertifiedReading {
  if (signed.length > certifiedLength(maxTextLength))
    return refused('oversized', `it is longer than ${certifiedLength(maxTextLength)} characters`);
  const parsed = parseCertified(signed, maxTextLength);
  if (parsed === undefined)
    return refused('malformed', 'it is no note with a certificate for each of its signatures');
  const signatures: CertifiedSignature[] = [];
  for (const { signature, certificate } of parsed.parts) {
    const verified = readCertificate(certificate, { authorities });
    const why = faultOf(verified, signature, at);
    if (verified.kind === 'refused' || why !== undefined)
      return refused('uncertified', `the certificate for ${signature.name} in it does not hold: ${why}`);
    signatures.push({ name: signature.name, signature, certificate, key: verified.key });
  }
  const note: CertifiedNote = { text: parsed.text, signatures };
  const verdict = checkSignatures(
    plain(note),
    signatures.map(({ key }) => key),
  );
  return verdict.kind === 'checked'
    ? { kind: 'certified', note }
    : refused('bad-signature', `the signature of ${verdict.name} does not hold`);
}

/** The inverse of `readCertified`. */
export function formatCertified({ text, signatures }: CertifiedNote): string {
  return formatParts(signatures, text);
}

/** Without certificates, as readers get it. */
export function noteOf(note: CertifiedNote): string {
  return formatNote(plain(note));
}

/** Both signatures of two notes with one text: of each authority the one that `note` has. */
export function joinCertified(note: CertifiedNote, other: CertifiedNote): CertifiedNote {
  const added = other.signatures.filter(({ name }) => !note.signatures.some((one) => one.name === name));
  return { ...note, signatures: sorted([...note.signatures, ...added]) };
}

/** A note of readers with the signatures of those who have not signed it yet; undefined for one with another text. */
export function joinNote(signed: string, { text, signatures }: CertifiedNote): string | undefined {
  const note = parseNote(signed, text.length + 1 + signaturesLength);
  if (note?.text !== text) return undefined;
  const known = new Set(note.signatures.map(({ name }) => name));
  const added = signatures.flatMap(({ name, signature }) => (known.has(name) ? [] : signature));
  return formatNote({ text, signatures: [...note.signatures, ...added] });
}

/** What readers get of a certified note, as it was formatted; another note stays as it is. */
export function noteIn(signed: string): string {
  const end = signed.indexOf(`\n\n${origin}`);
  return end < 0 ? signed : signed.slice(0, end + 1);
}

interface Part {
  readonly signature: NoteSignature;
  readonly certificate: string;
}

function parseCertified(
  signed: string,
  maxTextLength: number,
): { readonly text: string; readonly parts: readonly Part[] } | undefined {
  // no line of a text is empty, so this is where a certificate begins
  const [first = '', ...rest] = signed.split(`\n\n${origin}`);
  const whole = rest.length === 0 ? first : `${first}\n`;
  const note = parseNote(whole, maxTextLength + 1 + signaturesLength);
  if (note === undefined || note.text.length > maxTextLength) return undefined;
  if (note.text.includes('\n\n') || note.signatures.length !== rest.length) return undefined;
  const parts = note.signatures.map((signature, at): Part => {
    const end = at === rest.length - 1 ? '' : '\n';
    return { signature, certificate: `${origin}${rest[at]}${end}` };
  });
  const inOrder = parts.every(
    ({ signature }, at) =>
      at === 0 || compareText((parts[at - 1] as Part).signature.name, signature.name) < 0,
  );
  return inOrder ? { text: note.text, parts } : undefined;
}

function formatParts(parts: readonly Part[], text: string): string {
  const ordered = sorted(parts.map((part) => ({ ...part, name: part.signature.name })));
  const note = formatNote({ text, signatures: ordered.map(({ signature }) => signature) });
  return [note, ...ordered.map(({ certificate }) => certificate)].join('\n');
}

function partOf(text: string, signer: CertifiedSigner): Part {
  return { signature: signText(text, signer), certificate: signer.certificate };
}

function sorted<T extends { readonly name: string }>(signatures: readonly T[]): T[] {
  return signatures.toSorted((a, b) => compareText(a.name, b.name));
}

function plain({ text, signatures }: CertifiedNote): Note {
  return { text, signatures: signatures.map(({ signature }) => signature) };
}

function faultOf(
  verified: VerifiedCertificate,
  signature: NoteSignature,
  at: number | undefined,
): string | undefined {
  if (verified.kind === 'refused') return verified.detail;
  if (!isBy(signature, verified.key)) return 'it is for another key';
  return at === undefined || covers(verified.key, at) ? undefined : 'it is for another time';
}

function refused(
  reason: Extract<CertifiedReading, { kind: 'refused' }>['reason'],
  detail: string,
): CertifiedReading {
  return { kind: 'refused', reason, detail };
}
