import { decodeBase64, encodeBase64 } from '../codec/base64.ts';
import { encodeHex } from '../codec/hex.ts';
import { checkSignatures, formatNote, noteKey, noteSigner, parseNote, signText } from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import { ed25519, encapsulateXWing, sha256 } from '../primitives/index.ts';
import { type Descriptor, maxDescriptorLength } from './documents.ts';
import { verifyNodeCertificate } from './node-certificate.ts';
import { descriptorShape, nodeId } from './schema.ts';
import { compareText } from './shape.ts';
import { decodeText, encodeText, type Form } from './text.ts';
import { showTime } from './time.ts';

const form: Form<Descriptor> = { origin: 'postern.descriptor/v1', shape: descriptorShape };

export type DescriptorRefusal =
  | 'oversized'
  | 'malformed'
  | 'unknown-version'
  | 'bad-certificate'
  | 'bad-signature';

export type VerifiedDescriptor =
  | { readonly kind: 'descriptor'; readonly descriptor: Descriptor; readonly id: string }
  | { readonly kind: 'refused'; readonly reason: DescriptorRefusal; readonly detail: string };

/**
 * A descriptor as a signed note, under the node's name and signing key (spec consensus 3). Its sets are put in order. Throws
 * `ProtocolError` when it is no descriptor, or `seed` (32 bytes) does not belong to its signing key.
 */
export function signDescriptor(descriptor: Descriptor, seed: Uint8Array): string {
  if (encodeBase64(ed25519.publicKey(seed)) !== descriptor.signingKey)
    throw new ProtocolError('wrong-key', 'the seed does not belong to the signing key in the descriptor');
  const text = encodeText(form, inOrder(descriptor));
  return formatNote({ text, signatures: [signText(text, noteSigner('ed25519', descriptor.name, seed))] });
}

/** Reads a signed descriptor and checks that its own signing key, which its identity key has certified, signed it, alone, and that its mix keys can be used. */
export function verifyDescriptor(signed: string): VerifiedDescriptor {
  const verified = verifyDescriptorSignature(signed);
  return verified.kind === 'refused' ? verified : tryMixKeys(verified);
}

/** The same but for the mix keys: it costs two signature checks, and each mix key as much again. */
export function verifyDescriptorSignature(signed: string): VerifiedDescriptor {
  if (signed.length > maxDescriptorLength)
    return refused('oversized', `it is longer than ${maxDescriptorLength} characters`);
  const note = parseNote(signed, maxDescriptorLength);
  if (note === undefined) return refused('malformed', 'it is no signed note');
  const decoded = decodeText(form, note.text);
  if (decoded.kind === 'refused') return decoded;
  const { name, identityKey, signingKey } = decoded.value;
  const key = noteKey('ed25519', name, decodeBase64(signingKey) ?? new Uint8Array(32));
  if (note.signatures.length !== 1) return refused('malformed', 'it has more than one signature');
  const uncertified = mistakeInCertificate(decoded.value);
  if (uncertified !== undefined) return refused('bad-certificate', uncertified);
  const verdict = checkSignatures(note, [key]);
  if (verdict.kind !== 'checked' || verdict.keys.length !== 1)
    return refused('bad-signature', 'it is not signed by its own signing key');
  return { kind: 'descriptor', descriptor: decoded.value, id: nodeId(identityKey) };
}

/** The rest of `verifyDescriptor`, for what `verifyDescriptorSignature` gave. */
export function tryMixKeys(
  verified: Extract<VerifiedDescriptor, { kind: 'descriptor' }>,
): VerifiedDescriptor {
  if (verified.descriptor.mixKeys.every(({ key }) => isMixKey(key))) return verified;
  return refused('malformed', 'a mix key is no public key of the KEM');
}

/** Hex SHA-256 of a descriptor as it was signed: what a vote names it by (spec agreement 3). */
export function descriptorDigest(signed: string): string {
  return encodeHex(sha256(new TextEncoder().encode(signed)));
}

function mistakeInCertificate({
  certificate: signed,
  identityKey,
  signingKey,
  published,
}: Descriptor): string | undefined {
  const verified = verifyNodeCertificate(signed);
  if (verified.kind === 'refused') return `of its certificate: ${verified.detail}`;
  const { certificate } = verified;
  if (certificate.identityKey !== identityKey) return 'its certificate is by another identity key';
  if (certificate.signingKey !== signingKey) return 'its certificate is for another signing key';
  if (published < certificate.validAfter)
    return `its certificate is valid from ${showTime(certificate.validAfter)}`;
  if (published >= certificate.validUntil)
    return `its certificate was valid until ${showTime(certificate.validUntil)}`;
  return undefined;
}

/** A key that nobody can encapsulate to would stop whoever draws its node for a path. */
function isMixKey(key: string): boolean {
  const publicKey = decodeBase64(key);
  return publicKey !== undefined && encapsulateXWing(publicKey) !== undefined;
}

function inOrder(descriptor: Descriptor): Descriptor {
  return {
    ...descriptor,
    roles: [...descriptor.roles].sort(compareText),
    domains: [...descriptor.domains].sort(compareText),
    mixKeys: [...descriptor.mixKeys].sort((a, b) => a.epoch - b.epoch),
    protocols: [...descriptor.protocols].sort((a, b) => a - b),
    downtime: [...descriptor.downtime].sort((a, b) => a.from - b.from),
  };
}

function refused(reason: DescriptorRefusal, detail: string): VerifiedDescriptor {
  return { kind: 'refused', reason, detail };
}
