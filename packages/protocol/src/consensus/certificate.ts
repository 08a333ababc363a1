import { decodeBase64, encodeBase64 } from '../codec/base64.ts';
import {
  checkSignatures,
  formatNote,
  type NoteKey,
  noteKey,
  noteSigner,
  parseNote,
  signText,
} from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import { composite } from '../primitives/index.ts';
import { type AuthorityKey, authorityKey, isSameAuthority } from './authorities.ts';
import { type Certificate, maxCertificateLength } from './documents.ts';
import { certificateShape } from './schema.ts';
import { decodeText, encodeText, type Form } from './text.ts';
import { showTime } from './time.ts';

const form: Form<Certificate> = { origin: 'postern.certificate/v1', shape: certificateShape };

export type CertificateRefusal =
  | 'oversized'
  | 'malformed'
  | 'unknown-version'
  | 'second-signature'
  | 'wrong-name'
  | 'unknown-authority'
  | 'wrong-identity-key'
  | 'bad-signature'
  | 'not-yet-valid'
  | 'expired';

/** A key that an authority signs with, from a certificate that was verified. */
export interface SigningKey extends NoteKey {
  /** Whose it is: its identity key has signed the certificate. */
  readonly authority: AuthorityKey;
  /** Unix seconds: of documents from then on. */
  readonly validAfter: number;
  /** Unix seconds: of documents before then. */
  readonly validUntil: number;
}

export type VerifiedCertificate =
  | { readonly kind: 'certificate'; readonly certificate: Certificate; readonly key: SigningKey }
  | { readonly kind: 'refused'; readonly reason: CertificateRefusal; readonly detail: string };

/** Whose certificates are read, and for documents of which time. */
export interface CertificateReader {
  readonly authorities: readonly AuthorityKey[];
  /** Unix seconds. Without it a certificate of any time holds: whoever counts signatures looks at the document's. */
  readonly at?: number;
}

/**
 * A certificate for a signing key as a note, signed by the identity key whose private key is given (spec consensus 11). Throws `ProtocolError` when it
 * is none, or `identityPrivateKey` does not belong to the identity key in it.
 */
export function signCertificate(certificate: Certificate, identityPrivateKey: Uint8Array): string {
  if (encodeBase64(composite.publicKey(identityPrivateKey)) !== certificate.identityKey)
    throw new ProtocolError(
      'wrong-key',
      'the private key does not belong to the identity key in the certificate',
    );
  const text = encodeText(form, certificate);
  const signer = noteSigner('composite', certificate.authority, identityPrivateKey);
  return formatNote({ text, signatures: [signText(text, signer)] });
}

/** Reads a certificate that an authority known here has signed with its identity key, and nobody else. */
export function verifyCertificate(signed: string, reader: CertificateReader): VerifiedCertificate {
  if (signed.length > maxCertificateLength)
    return refused('oversized', `it is longer than ${maxCertificateLength} characters`);
  const note = parseNote(signed, maxCertificateLength);
  if (note === undefined) return refused('malformed', 'it is no signed note');
  const decoded = decodeText(form, note.text);
  if (decoded.kind === 'refused') return decoded;
  const certificate = decoded.value;
  const { authority: name } = certificate;
  const [signature, another] = note.signatures;
  if (another !== undefined) return refused('second-signature', 'it has more than one signature');
  if (signature?.name !== name)
    return refused('wrong-name', `it is for ${name}, signed as ${signature?.name}`);
  const namesakes = reader.authorities.filter((known) => known.name === name);
  if (namesakes.length === 0) return refused('unknown-authority', `${name} is no authority known here`);
  const identityKey = keyIn(certificate.identityKey);
  const own = authorityKey(name, identityKey);
  const authority = namesakes.find((known) => isSameAuthority(known, own));
  if (authority === undefined)
    return refused('wrong-identity-key', `the identity key in it is not that of ${name} as it is known here`);
  const verdict = checkSignatures(note, [noteKey('composite', name, identityKey)]);
  if (verdict.kind !== 'checked' || verdict.keys.length !== 1)
    return refused('bad-signature', `it is not signed by the identity key of ${name}`);
  const { validAfter, validUntil } = certificate;
  const key = {
    ...noteKey('composite', name, keyIn(certificate.signingKey)),
    authority,
    validAfter,
    validUntil,
  };
  return refuseTime(key, reader.at) ?? { kind: 'certificate', certificate, key };
}

/** The keys of those of some certificates that hold. */
export function signingKeysIn(certificates: readonly string[], reader: CertificateReader): SigningKey[] {
  return certificates.flatMap((signed) => {
    const verified = verifyCertificate(signed, reader);
    return verified.kind === 'certificate' ? [verified.key] : [];
  });
}

/** Whether signatures of a key count on a document of this time, in Unix seconds. */
export function covers({ validAfter, validUntil }: SigningKey, at: number): boolean {
  return validAfter <= at && at < validUntil;
}

function refuseTime(key: SigningKey, at: number | undefined): VerifiedCertificate | undefined {
  if (at === undefined || covers(key, at)) return undefined;
  return at < key.validAfter
    ? refused('not-yet-valid', `it is valid from ${showTime(key.validAfter)}`)
    : refused('expired', `it was valid until ${showTime(key.validUntil)}`);
}

function keyIn(encoded: string): Uint8Array {
  return decodeBase64(encoded) ?? new Uint8Array();
}

function refused(reason: CertificateRefusal, detail: string): VerifiedCertificate {
  return { kind: 'refused', reason, detail };
}
