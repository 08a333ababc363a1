import { encodeBase64 } from '@postern/protocol/codec';
import { type Descriptor, type EpochKey, signDescriptor } from '@postern/protocol/consensus';
import type { Endpoint } from '@postern/runtime';
import type { NodeConfig } from '../config.ts';
import type { Identity } from '../keys/identity.ts';

export interface DescriptorParts {
  readonly config: NodeConfig;
  readonly identity: Identity;
  /** The one that it shows first. */
  readonly tlsPins: readonly string[];
  /** Where others reach the node. */
  readonly smtp: Endpoint;
  readonly mixKeys: readonly EpochKey[];
  /** Milliseconds. */
  readonly now: number;
}

/** What the node says of itself, signed with its identity key (spec consensus 3). */
export function describe({ config, identity, tlsPins, smtp, mixKeys, now }: DescriptorParts): string {
  const descriptor: Descriptor = {
    version: 1,
    name: config.name,
    // That it takes mail from its own authors is nobody else's business.
    roles: config.roles.filter((role) => role !== 'submission').sort(),
    identityKey: encodeBase64(identity.publicKey),
    smtp,
    tlsPins,
    family: config.family,
    domains: config.delivery === undefined ? [] : [config.delivery.domain],
    mixKeys,
    published: Math.floor(now / 1_000),
  };
  return signDescriptor(descriptor, identity.seed);
}
