import type { DirectoryClient } from '@postern/directory/client';
import { encodeBase64 } from '@postern/protocol/codec';
import { epochAt, keyEpochsPublished, signDescriptor } from '@postern/protocol/consensus';
import {
  decodeUnit,
  type Geometry,
  generateMixKey,
  type Hop,
  loadMixKey,
  type MixKey,
  packetEpoch,
  peel,
} from '@postern/protocol/packet';
import { ed25519, sha256 } from '@postern/protocol/primitives';
import { testDescriptor, testNode } from '@postern/protocol/testing';

/** A mix of which there is nothing but its keys. */
export interface Enlisted {
  hop(epoch: number): Hop;
  key(epoch: number, geometry: Geometry): MixKey;
}

/** Registers a mix as any other, at whatever listens on the port. */
export async function enlist(
  name: string,
  { port, pin }: { readonly port: number; readonly pin: string },
  directory: DirectoryClient,
  epochSeconds: number,
): Promise<Enlisted> {
  const seconds = Math.floor(Date.now() / 1_000);
  const epoch = epochAt(seconds, epochSeconds);
  const keys = testNode(name, { now: seconds });
  const nodeId = sha256(ed25519.publicKey(keys.identity));
  const pairs = new Map(keyEpochsPublished(epoch).map((one) => [one, generateMixKey()]));
  const descriptor = testDescriptor(
    name,
    keys,
    { epoch, published: seconds },
    {
      smtp: { host: '127.0.0.1', port },
      tlsPins: [pin],
      mixKeys: [...pairs].map(([of, pair]) => ({ epoch: of, key: encodeBase64(pair.publicKey) })),
    },
  );
  await directory.publish(signDescriptor(descriptor, keys.signing));
  const pairOf = (epoch: number) => {
    const pair = pairs.get(epoch);
    if (pair === undefined) throw new Error(`${name} has no key of epoch ${epoch}`);
    return pair;
  };
  return {
    hop: (epoch) => ({ nodeId, mixKey: pairOf(epoch).publicKey, delayMs: 0 }),
    key: (epoch, geometry) => loadMixKey(pairOf(epoch).seed, nodeId, epoch, geometry),
  };
}

/** Goes the rest of a packet's way in the mixes' place, and reads the number that its payload begins with. */
export function numberAtEnd(
  packet: Uint8Array,
  mixes: readonly Enlisted[],
  geometry: Geometry,
): number | undefined {
  let bytes = packet;
  for (const mix of mixes) {
    const peeled = peel(geometry, mix.key(packetEpoch(bytes) ?? 0, geometry), bytes);
    if (peeled.kind === 'exit') {
      const unit = decodeUnit(geometry, peeled.unit);
      return unit.kind === 'envelope' ? Buffer.from(unit.envelope).readUInt32BE() : undefined;
    }
    if (peeled.kind === 'refused') return undefined;
    bytes = peeled.packet;
  }
  return undefined;
}
