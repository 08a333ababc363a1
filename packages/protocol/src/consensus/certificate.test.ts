import { describe, expect, test } from 'vitest';
import { encodeBase64 } from '../codec/base64.ts';
import { encodeJson } from '../codec/json.ts';
import { formatNote, type NoteSigner, noteSigner, parseNote, signText } from '../codec/note.ts';
import { ProtocolError } from '../errors.ts';
import { composite } from '../primitives/index.ts';
import { testAuthority } from '../testing/authority.ts';
import { authority1, authority2, now } from '../testing/network.ts';
import { type CertificateReader, covers, signCertificate, verifyCertificate } from './certificate.ts';
import { type Certificate, maxCertificateLength, maxCertificateSeconds } from './documents.ts';

const { name, key, identity, publicKey } = authority1;
const certificate: Certificate = {
  version: 1,
  authority: name,
  identityKey: encodeBase64(composite.publicKey(identity)),
  signingKey: encodeBase64(publicKey),
  validAfter: now - 60,
  validUntil: now + 60,
};
const signed = signCertificate(certificate, identity);
const reader: CertificateReader = { authorities: [key, authority2.key], at: now };
const identitySigner = noteSigner('composite', name, identity);

/** Signs anything as a certificate. */
function signedAnyway(
  value: unknown,
  signers: readonly NoteSigner[] = [identitySigner],
  origin = 'postern.certificate/v1',
) {
  const text = `${origin}\n${encodeJson(value as object)}\n`;
  return formatNote({ text, signatures: signers.map((signer) => signText(text, signer)) });
}

test('a certificate gives the signing key, whose it is and for which time', () => {
  expect(verifyCertificate(signed, reader)).toEqual({
    kind: 'certificate',
    certificate,
    key: {
      name,
      keyId: authority1.keyId,
      algorithm: 'composite',
      publicKey,
      authority: key,
      validAfter: now - 60,
      validUntil: now + 60,
    },
  });
});

test('one of any time holds for whoever asks for none, and says when it counts', () => {
  const verified = verifyCertificate(signed, { authorities: [key] });
  if (verified.kind === 'refused') throw new Error(verified.detail);
  const times = [now - 61, now - 60, now, now + 59, now + 60];
  expect(times.map((at) => covers(verified.key, at))).toEqual([false, true, true, true, false]);
});

describe('is refused', () => {
  const another = testAuthority(name, { now, seed: 'another' });
  const elsewhere = { ...certificate, authority: 'authority3.test' };
  const copied = noteSigner('composite', 'authority2.test', identity);
  const line = signText('x\n', authority2);
  const twice = parseNote(signed, maxCertificateLength);
  const cases: [string, string, string, Partial<CertificateReader>?][] = [
    ['too many characters', 'oversized', 'x'.repeat(maxCertificateLength + 1)],
    ['what is no note', 'malformed', 'x'],
    [
      'a later version',
      'unknown-version',
      signedAnyway(certificate, [identitySigner], 'postern.certificate/v2'),
    ],
    ['another kind of document', 'malformed', signedAnyway(certificate, [identitySigner], 'postern.vote/v1')],
    ['another version within', 'malformed', signedAnyway({ ...certificate, version: 2 })],
    ['a member more', 'malformed', signedAnyway({ ...certificate, more: 1 })],
    [
      'an Ed25519 key for the signing key',
      'malformed',
      signedAnyway({ ...certificate, signingKey: encodeBase64(new Uint8Array(32)) }),
    ],
    [
      'an end before its beginning',
      'malformed',
      signedAnyway({ ...certificate, validUntil: certificate.validAfter }),
    ],
    [
      'more than 366 days',
      'malformed',
      signedAnyway({ ...certificate, validUntil: certificate.validAfter + maxCertificateSeconds + 1 }),
    ],
    [
      'a second signature',
      'second-signature',
      formatNote({ text: twice?.text ?? '', signatures: [...(twice?.signatures ?? []), line] }),
    ],
    [
      'the same signature twice',
      'second-signature',
      signedAnyway(certificate, [identitySigner, identitySigner]),
    ],
    [
      'another name than it is signed under',
      'wrong-name',
      signedAnyway({ ...certificate, authority: 'authority2.test' }),
    ],
    [
      'an authority that is not known',
      'unknown-authority',
      signedAnyway(elsewhere, [noteSigner('composite', 'authority3.test', identity)]),
    ],
    ['a known name with another identity key', 'wrong-identity-key', another.certificate],
    [
      'another authority’s name with its own key',
      'wrong-identity-key',
      signedAnyway({ ...certificate, authority: 'authority2.test' }, [copied]),
    ],
    ['a signature by its signing key', 'bad-signature', signedAnyway(certificate, [authority1])],
    ['another text than was signed', 'bad-signature', signed.replace(`${now + 60}`, `${now + 61}`)],
    ['a time that is to come', 'not-yet-valid', signed, { at: now - 61 }],
    ['a time that has ended', 'expired', signed, { at: now + 60 }],
  ];
  test.each(cases)('with %s: %s', (_, reason, text, by) => {
    expect(verifyCertificate(text, { ...reader, ...by })).toMatchObject({ kind: 'refused', reason });
  });
});

test('when any character is changed it does not hold', () => {
  for (let at = 0; at < signed.length; at += 97) {
    const other = signed[at] === 'A' ? 'B' : 'A';
    const changed = signed.slice(0, at) + other + signed.slice(at + 1);
    expect(verifyCertificate(changed, reader).kind).toBe('refused');
  }
});

test('what is no certificate, or by another identity, is not signed', () => {
  expect(() => signCertificate({ ...certificate, validUntil: 0 }, identity)).toThrow(ProtocolError);
  expect(() => signCertificate(certificate, authority2.identity)).toThrow(
    expect.objectContaining({ code: 'wrong-key' }),
  );
});
