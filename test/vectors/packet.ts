import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex as hex, hexToBytes as unhex } from '@noble/hashes/utils.js';
import { type Bytes, cat, text, uint } from '../conformance/reference/bytes.ts';
import { xwingPublicKey } from '../conformance/reference/hpke.ts';
import * as reference from '../conformance/reference/packet.ts';
import type { ForwardVector, Network, ReplyVector, VectorFile, VectorHop, VectorPeel } from './format.ts';
import { refusals } from './refusals.ts';
import { seeded } from './seeded.ts';

/** The files of packet vectors by name, as the reference implementation makes them. */
export function vectorFiles(): Record<string, string> {
  const file = (description: string, vectors: VectorFile['vectors']) =>
    `${JSON.stringify({ description, vectors } satisfies VectorFile, undefined, 1)}\n`;
  return {
    'packet.json': file(`In a geometry with the least routing block and payload. ${how}`, [
      ...[1, 2].flatMap((suite) => [
        forward(`forward, suite ${suite}`, least(suite)),
        reply(`reply, suite ${suite}`, least(suite)),
      ]),
      forward('forward over one hop', { ...least(1), hops: 1, packetBytes: packetBytes(1, 64) }),
      ...refusals(),
    ]),
    'packet-default.json': file(`In the default geometry. ${how}`, [
      forward('forward, default geometry', {
        suite: 1,
        hops: 3,
        routingBytes: 320,
        packetBytes: 32_768,
        epoch: 500_000,
      }),
    ]),
  };
}

const how =
  'Byte strings are lower-case hexadecimal; docs/spec/packet.md defines every field, test/vectors/format.ts their names.';

/** The least geometry that section 3 allows for three hops. */
function least(suite: number): Network {
  return { suite, hops: 3, routingBytes: 307, packetBytes: packetBytes(3, 64), epoch: 0x01020304 };
}

/** With routing blocks of 307. */
function packetBytes(hops: number, payloadBytes: number): number {
  return 6 + hops * (1120 + 307 + 16) + 16 + payloadBytes;
}

function forward(name: string, network: Network): ForwardVector {
  const random = seeded(name);
  const path = makePath(network, random);
  const domain = 'b.example';
  const payload = random.bytes(reference.bodyBytes(network) - 16);
  const packet = reference.build(network, path.map(parseHop), domain, payload);
  return {
    kind: 'forward',
    name,
    network,
    geometryDigest: digest(network),
    path,
    domain,
    payload: hex(payload),
    packet: hex(packet),
    peels: peelAll(network, path, packet, random),
  };
}

function reply(name: string, network: Network): ReplyVector {
  const random = seeded(name);
  const path = makePath(network, random);
  const domain = 'xn--bcher-kva.example';
  const id = random.bytes(16);
  const firstKey = random.bytes(128);
  const payload = random.bytes(reference.bodyBytes(network) - 16);
  const { surb, secrets } = reference.createSurb(network, path.map(parseHop), { domain, id, firstKey });
  const { packet } = reference.useSurb(network, surb, payload);
  return {
    kind: 'reply',
    name,
    network,
    geometryDigest: digest(network),
    path,
    domain,
    surbId: hex(id),
    firstKey: hex(firstKey),
    surb: hex(surb),
    secrets: hex(secrets),
    payload: hex(payload),
    packet: hex(packet),
    peels: peelAll(network, path, packet, random),
  };
}

function makePath({ hops }: Network, random: { bytes(length: number): Bytes }): VectorHop[] {
  return Array.from({ length: hops }, (_, i) => {
    const seed = random.bytes(32);
    return {
      nodeId: hex(random.bytes(32)),
      seed: hex(seed),
      mixKey: hex(xwingPublicKey(seed)),
      delayMs: 1000 * i,
      eseed: hex(random.bytes(64)),
    };
  });
}

export function parseHop({ nodeId, mixKey, delayMs, eseed }: VectorHop): reference.Hop {
  return { nodeId: unhex(nodeId), publicKey: unhex(mixKey), delayMs, eseed: unhex(eseed) };
}

function peelAll(
  network: Network,
  path: readonly VectorHop[],
  first: Bytes,
  random: { bytes(length: number): Bytes },
): VectorPeel[] {
  let packet = first;
  return path.map(({ seed, nodeId }) => {
    let fill = '';
    const peeled = reference.peel(network, { seed: unhex(seed), nodeId: unhex(nodeId) }, packet, (length) => {
      const bytes = random.bytes(length);
      fill = hex(bytes);
      return bytes;
    });
    if (peeled.kind === 'refused') throw new Error(`the reference refuses its own packet: ${peeled.reason}`);
    const { delayMs } = peeled;
    const replayTag = hex(peeled.replayTag);
    if (peeled.kind === 'exit')
      return {
        fill,
        result: { kind: 'exit', replayTag, domain: peeled.domain, delayMs, unit: hex(peeled.unit) },
      };
    packet = peeled.packet;
    const nextNode = hex(peeled.nextNode);
    return { fill, result: { kind: 'relay', replayTag, nextNode, delayMs, packet: hex(packet) } };
  });
}

function digest({ suite, hops, routingBytes, packetBytes: bytes }: Network): string {
  return hex(
    sha256(
      cat(text('postern geometry v1'), uint(suite, 1), uint(hops, 1), uint(routingBytes, 2), uint(bytes, 4)),
    ),
  );
}
