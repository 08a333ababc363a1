import { expect, test } from 'vitest';
import { encodeHex } from '../codec/hex.ts';
import { encodeJson } from '../codec/json.ts';
import { formatNote, noteSigner, signText } from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import { ed25519, sha256 } from '../primitives/index.ts';
import { keysOf, now } from '../testing/network.ts';
import type { NodeCertificate } from './documents.ts';
import { certifiedFrom, signNodeCertificate, verifyNodeCertificate } from './node-certificate.ts';

const { identity, signing, members } = keysOf('mix1.test');
const { identityKey, signingKey } = members;
const id = encodeHex(sha256(ed25519.publicKey(identity)));
const certificate: NodeCertificate = {
  version: 1,
  identityKey,
  signingKey,
  validAfter: now,
  validUntil: now + 31_622_400,
};
const signed = signNodeCertificate(certificate, identity);

test('gives the certificate, and the node whose it is', () => {
  expect(verifyNodeCertificate(signed)).toEqual({ kind: 'certificate', certificate, id });
  expect(certifiedFrom(signed)).toBe(now);
});

test('is short, though all in it is as long as can be', () => {
  const longest = { ...certificate, validAfter: 10_000_000_000, validUntil: 10_031_622_400 };
  expect(signNodeCertificate(longest, identity).length).toBeLessThan(600);
});

test('signing throws for another identity key, and for what is no certificate', () => {
  expect(() => signNodeCertificate(certificate, signing)).toThrow(ProtocolError);
  expect(() => signNodeCertificate({ ...certificate, validUntil: now }, identity)).toThrow(ProtocolError);
});

function signedAnyway(value: unknown, by = identity, name = id): string {
  const text = `postern.node-certificate/v1\n${encodeJson(value)}\n`;
  return formatNote({ text, signatures: [signText(text, noteSigner('ed25519', name, by))] });
}

const line = signed.slice(signed.indexOf('\u2014'));
test.each<[string, string, string, string]>([
  [
    'by its own signing key',
    'bad-signature',
    'it is not signed by its own identity key',
    signedAnyway(certificate, signing),
  ],
  [
    'under another name',
    'bad-signature',
    'it is not signed by its own identity key',
    signedAnyway(certificate, identity, 'mix1.test'),
  ],
  ['with a second signature', 'malformed', 'it has more than one signature', signed + line],
  [
    'that ends as it begins',
    'malformed',
    'validUntil is not after validAfter',
    signedAnyway({ ...certificate, validUntil: now }),
  ],
  [
    'for too long',
    'malformed',
    'validUntil is more than 31622400 s after validAfter',
    signedAnyway({ ...certificate, validUntil: now + 31_622_401 }),
  ],
  [
    'with a member more',
    'malformed',
    'the document has a member that is not defined',
    signedAnyway({ ...certificate, name: 'x' }),
  ],
  [
    'of a version to come',
    'unknown-version',
    'its first line is not postern.node-certificate/v1',
    signed.replace('/v1', '/v2'),
  ],
  ['that is no note', 'malformed', 'it is no signed note', 'x'],
  ['that is too long', 'oversized', 'it is longer than 1024 characters', 'x'.repeat(1_025)],
])('one %s is refused', (_, reason, detail, text) => {
  expect(verifyNodeCertificate(text)).toEqual({ kind: 'refused', reason, detail });
});
