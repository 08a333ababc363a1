import { decodeBase64, encodeBase64 } from '../codec/base64.ts';
import { checkSignatures, formatNote, noteKey, noteSigner, parseNote, signText } from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import { ed25519 } from '../primitives/index.ts';
import { maxNodeCertificateLength, type NodeCertificate } from './documents.ts';
import { nodeCertificateShape, nodeId } from './schema.ts';
import { decodeText, encodeText, type Form } from './text.ts';

const form: Form<NodeCertificate> = { origin: 'postern.node-certificate/v1', shape: nodeCertificateShape };

export type NodeCertificateRefusal = 'oversized' | 'malformed' | 'unknown-version' | 'bad-signature';

export type VerifiedNodeCertificate =
  | {
      readonly kind: 'certificate';
      readonly certificate: NodeCertificate;
      /** Of the node. */
      readonly id: string;
    }
  | { readonly kind: 'refused'; readonly reason: NodeCertificateRefusal; readonly detail: string };

/**
 * A certificate for a node's signing key as a note, signed by the identity key whose seed is given (spec consensus 12). Throws `ProtocolError` when it
 * is none, or the seed (32 bytes) does not belong to the identity key in it.
 */
export function signNodeCertificate(certificate: NodeCertificate, identitySeed: Uint8Array): string {
  if (encodeBase64(ed25519.publicKey(identitySeed)) !== certificate.identityKey)
    throw new ProtocolError('wrong-key', 'the seed does not belong to the identity key in the certificate');
  const text = encodeText(form, certificate);
  const signer = noteSigner('ed25519', nodeId(certificate.identityKey), identitySeed);
  return formatNote({ text, signatures: [signText(text, signer)] });
}

/** Reads a node's certificate, of any time, and checks that its own identity key has signed it, alone. */
export function verifyNodeCertificate(signed: string): VerifiedNodeCertificate {
  if (signed.length > maxNodeCertificateLength)
    return refused('oversized', `it is longer than ${maxNodeCertificateLength} characters`);
  const note = parseNote(signed, maxNodeCertificateLength);
  if (note === undefined) return refused('malformed', 'it is no signed note');
  const decoded = decodeText(form, note.text);
  if (decoded.kind === 'refused') return decoded;
  const certificate = decoded.value;
  if (note.signatures.length !== 1) return refused('malformed', 'it has more than one signature');
  const id = nodeId(certificate.identityKey);
  const key = noteKey('ed25519', id, decodeBase64(certificate.identityKey) ?? new Uint8Array(32));
  const verdict = checkSignatures(note, [key]);
  if (verdict.kind !== 'checked' || verdict.keys.length !== 1)
    return refused('bad-signature', 'it is not signed by its own identity key');
  return { kind: 'certificate', certificate, id };
}

/** From when on a certificate that was verified counts, Unix seconds: of two of one node the later one does. */
export function certifiedFrom(verified: string): number {
  const [, json = ''] = verified.split('\n', 2);
  return (JSON.parse(json) as NodeCertificate).validAfter;
}

function refused(reason: NodeCertificateRefusal, detail: string): VerifiedNodeCertificate {
  return { kind: 'refused', reason, detail };
}
