import { type Descriptor, epochAt, type NodeCertificate, signDescriptor } from '@postern/protocol/consensus';
import { gatewayOf, testDescriptor, testNode } from '@postern/protocol/testing';
import { epochSeconds } from './clock.ts';

/** A node that signs what it says of itself at a time, milliseconds. */
export function signedNode(
  name: string,
  now: number,
  change: Partial<Descriptor> = {},
  seedName: string = name,
  certificate: Partial<NodeCertificate> = {},
): string {
  const published = Math.floor(now / 1_000);
  const keys = testNode(seedName, { now: published, change: certificate });
  const epoch = epochAt(published, epochSeconds);
  return signDescriptor(testDescriptor(name, keys, { epoch, published }, change), keys.signing);
}

export function signedGateway(name: string, now: number, domains: readonly string[]): string {
  return signedNode(name, now, gatewayOf(domains));
}
