import { encodeBase64 } from '../codec/base64.ts';
import type { Descriptor, NodeCertificate } from '../consensus/documents.ts';
import { signNodeCertificate } from '../consensus/node-certificate.ts';
import { keyEpochsPublished } from '../consensus/schedule.ts';
import { defaultGeometry, generateMixKey } from '../packet/index.ts';
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

/** One public key serves all: making them takes longer than what is tested. */
export const mixKey: string = encodeBase64(generateMixKey(seeded('mix key')).publicKey);

/** What a node says of itself in an epoch: a mix that listens nowhere, unless `change` says otherwise. `published` is in Unix seconds. */
export function testDescriptor(
  name: string,
  { members }: Pick<TestNode, 'members'>,
  { epoch, published }: { readonly epoch: number; readonly published: number },
  change: Partial<Descriptor> = {},
): Descriptor {
  return {
    version: 1,
    name,
    roles: ['mix'],
    ...members,
    smtp: { host: '127.0.0.1', port: 2525 },
    tlsPins: ['ab'.repeat(32)],
    family: '',
    domains: [],
    mixKeys: keyEpochsPublished(epoch).map((one) => ({ epoch: one, key: mixKey })),
    capacity: 64,
    load: 0,
    protocols: [defaultGeometry.suite],
    downtime: [],
    mirror: '',
    contact: '',
    software: '',
    published,
    ...change,
  };
}

/** What a delivery gateway says otherwise than a mix. */
export function gatewayOf(domains: readonly string[]): Partial<Descriptor> {
  return { roles: ['delivery'], domains, mixKeys: [], capacity: 0, protocols: [] };
}
