import { encodeBase64 } from '@postern/protocol/codec';
import { type Descriptor, epochAt, keyEpochsPublished, signDescriptor } from '@postern/protocol/consensus';
import { generateMixKey } from '@postern/protocol/packet';
import { ed25519 } from '@postern/protocol/primitives';
import { seeded } from '@postern/protocol/testing';
import { epochSeconds } from './clock.ts';

/** One public key serves all: making them takes longer than what is tested. */
export const mixKey: string = encodeBase64(generateMixKey(seeded('mix key')).publicKey);

/** A node that signs what it says of itself at a time, milliseconds. */
export function signedNode(
  name: string,
  now: number,
  change: Partial<Descriptor> = {},
  seedName: string = name,
): string {
  const seed = seeded(seedName).bytes(32);
  const published = Math.floor(now / 1_000);
  const descriptor: Descriptor = {
    version: 1,
    name,
    roles: ['mix'],
    identityKey: encodeBase64(ed25519.publicKey(seed)),
    smtp: { host: '127.0.0.1', port: 2525 },
    tlsPins: ['ab'.repeat(32)],
    family: '',
    domains: [],
    mixKeys: keyEpochsPublished(epochAt(published, epochSeconds)).map((epoch) => ({ epoch, key: mixKey })),
    published,
    ...change,
  };
  return signDescriptor(descriptor, seed);
}

export function signedGateway(name: string, now: number, domains: readonly string[]): string {
  return signedNode(name, now, { roles: ['delivery'], domains, mixKeys: [] });
}
