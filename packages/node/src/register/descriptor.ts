import { encodeBase64 } from '@postern/protocol/codec';
import { type Descriptor, type Downtime, type EpochKey, signDescriptor } from '@postern/protocol/consensus';
import { suiteNumbers } from '@postern/protocol/packet';
import { type Endpoint, version } from '@postern/runtime';
import type { NodeConfig } from '../config.ts';
import type { SigningKey } from '../keys/signing.ts';

export interface DescriptorParts {
  readonly config: NodeConfig;
  readonly keys: SigningKey;
  /** The one that it shows first. */
  readonly tlsPins: readonly string[];
  /** Where others reach the node. */
  readonly smtp: Endpoint;
  readonly mixKeys: readonly EpochKey[];
  readonly load: number;
  readonly downtime: readonly Downtime[];
  /** Milliseconds. */
  readonly now: number;
}

/** What the node says of itself, signed with its signing key (spec consensus 3). */
export function describe({
  config,
  keys,
  smtp,
  tlsPins,
  mixKeys,
  load,
  downtime,
  now,
}: DescriptorParts): string {
  const isMix = config.roles.includes('mix');
  const descriptor: Descriptor = {
    version: 1,
    name: config.name,
    // That it takes mail from its own authors is nobody else's business.
    roles: config.roles.filter((role) => role !== 'submission').sort(),
    identityKey: encodeBase64(keys.publicKey),
    signingKey: encodeBase64(keys.signingKey),
    certificate: keys.certificate,
    smtp,
    tlsPins,
    family: config.family,
    domains: config.delivery === undefined ? [] : [config.delivery.domain],
    mixKeys,
    capacity: isMix ? config.mix.capacity : 0,
    load: isMix ? load : 0,
    protocols: isMix ? suiteNumbers : [],
    downtime,
    mirror: config.mirror?.url ?? '',
    contact: config.contact,
    software: `postern/${version}`,
    published: Math.floor(now / 1_000),
  };
  return signDescriptor(descriptor, keys.seed);
}
