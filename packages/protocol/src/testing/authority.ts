import { encodeBase64 } from '../codec/base64.ts';
import { type NoteSigner, noteSigner } from '../codec/note.ts';
import { type AuthorityKey, authorityKey, formatAuthorityKey } from '../consensus/authorities.ts';
import { type SigningKey, signCertificate, verifyCertificate } from '../consensus/certificate.ts';
import type { Certificate } from '../consensus/documents.ts';
import { composite, compositeSeedBytes } from '../primitives/index.ts';
import { seeded } from './seeded.ts';

/** All that an authority is, for tests: it signs with its signing key. */
export interface TestAuthority extends NoteSigner {
  /** What readers know it by, and as they are given it. */
  readonly key: AuthorityKey;
  readonly vkey: string;
  /** Private key of its identity. */
  readonly identity: Uint8Array;
  /** Of its signing key, as a note. */
  readonly certificate: string;
  readonly signingKey: SigningKey;
}

export interface TestAuthorityOptions {
  /** Unix seconds: the certificate is for half a year before and after. */
  readonly now?: number;
  /** What its identity is drawn from; the name when not given. */
  readonly seed?: string;
  /** Which of its signing keys. */
  readonly generation?: number;
  readonly change?: Partial<Certificate>;
}

const halfYear = 15_768_000;

/** An authority whose keys follow from its name. */
export function testAuthority(name: string, options: TestAuthorityOptions = {}): TestAuthority {
  const { now = Math.floor(Date.now() / 1_000), seed = name, generation = 1, change = {} } = options;
  const identity = seeded(`identity of ${seed}`).bytes(compositeSeedBytes);
  const signer = noteSigner(
    'composite',
    name,
    seeded(`signing key ${generation} of ${seed}`).bytes(compositeSeedBytes),
  );
  const publicKey = composite.publicKey(identity);
  const key = authorityKey(name, publicKey);
  const members: Certificate = {
    version: 1,
    authority: name,
    identityKey: encodeBase64(publicKey),
    signingKey: encodeBase64(signer.publicKey),
    validAfter: Math.max(0, now - halfYear),
    validUntil: now + halfYear,
    ...change,
  };
  const certificate = signCertificate(members, identity);
  const verified = verifyCertificate(certificate, { authorities: [key] });
  if (verified.kind === 'refused') throw new Error(verified.detail);
  const { key: signingKey } = verified;
  return { ...signer, key, vkey: formatAuthorityKey(key), identity, certificate, signingKey };
}
