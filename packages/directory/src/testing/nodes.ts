import { encodeBase64 } from '@postern/protocol/codec';
import {
  type Descriptor,
  epochAt,
  keyEpochsPublished,
  type NodeCertificate,
  signDescriptor,
} from '@postern/protocol/consensus';
import { defaultGeometry, generateMixKey } from '@postern/protocol/packet';
import { seeded, testNode } from '@postern/protocol/testing';
import { epochSeconds } from './clock.ts';

/** One public key serves all: making them takes longer than what is tested. */
export const mixKey: string = encodeBase64(generateMixKey(seeded('mix key')).publicKey);

/** A node that signs what it says of itself at a time, milliseconds. */
export function signedNode(
  name: string,
  now: number,
  change: Partial<Descriptor> = {},
  seedName: string = name,
  certificate: Partial<NodeCertificate> = {},
): string {
  const published = Math.floor(now / 1_000);
  const { signing, members } = testNode(seedName, { now: published, change: certificate });
  const descriptor: Descriptor = {
    version: 1,
    name,
    roles: ['mix'],
    ...members,
    smtp: { host: '127.0.0.1', port: 2525 },
    tlsPins: ['ab'.repeat(32)],
    family: '',
    domains: [],
    mixKeys: keyEpochsPublished(epochAt(published, epochSeconds)).map((epoch) => ({ epoch, key: mixKey })),
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
  return signDescriptor(descriptor, signing);
}

export function signedGateway(name: string, now: number, domains: readonly string[]): string {
  return signedNode(name, now, { roles: ['delivery'], domains, mixKeys: [], capacity: 0, protocols: [] });
}
