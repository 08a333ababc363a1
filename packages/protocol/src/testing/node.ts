import { encodeBase64 } from '../codec/base64.ts';
import type { Descriptor, NodeCertificate } from '../consensus/documents.ts';
import { signNodeCertificate } from '../consensus/node-certificate.ts';
import { ed25519 } from '../primitives/index.ts';
import { seeded } from './seeded.ts';

/** The keys of a node, for tests. */
export interface TestNode {
  /** Seed of its identity key. */
  readonly identity: Uint8Array;
  /** Seed of its signing key. */
  readonly signing: Uint8Array;
  /** What a descriptor says of them. */
  readonly members: Pick<Descriptor, 'identityKey' | 'signingKey' | 'certificate'>;
}

const halfYear = 15_768_000;

/** A node whose keys follow from its name. The certificate is for half a year before and after `now`, Unix seconds. */
export function testNode(
  name: string,
  options: { readonly now: number; readonly change?: Partial<NodeCertificate> },
): TestNode {
  const identity = seeded(name).bytes(32);
  const signing = seeded(`signing key of ${name}`).bytes(32);
  const identityKey = encodeBase64(ed25519.publicKey(identity));
  const signingKey = encodeBase64(ed25519.publicKey(signing));
  const times = { validAfter: Math.max(0, options.now - halfYear), validUntil: options.now + halfYear };
  const certificate = signNodeCertificate(
    { version: 1, identityKey, signingKey, ...times, ...options.change },
    identity,
  );
  return { identity, signing, members: { identityKey, signingKey, certificate } };
}
